// The fuzz driver: libFuzzer feeds one entrance of the toolkit (Entrances.swift), named by the first argument; the
// other arguments are libFuzzer's own. scripts/fuzz builds it and takes every entrance in turn; an input that crashed
// one is run again with `.build-fuzz/release/Fuzz ENTRANCE FILE`.

import QureCore

/// libFuzzer's loop. The toolkit brings its own main, because SwiftPM renames the one that libFuzzer would bring.
@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

/// The entrance of this run; libFuzzer's callback takes no context.
nonisolated(unsafe) private var entrance = Entrance.arp

@main
enum Fuzz {
    static func main() {
        let names = Entrance.allCases.map(\.rawValue)
        guard let chosen = CommandLine.arguments.dropFirst().first.flatMap(Entrance.init) else {
            // For scripts/fuzz, which asks for the list.
            print(names.joined(separator: "\n"))
            return
        }
        entrance = chosen
        var count = CommandLine.argc - 1
        var arguments = CommandLine.unsafeArgv + 1
        // libFuzzer takes its first argument for its own name.
        arguments[0] = CommandLine.unsafeArgv[0]
        _ = runDriver(&count, &arguments) { pointer, count in
            entrance.take(Array(UnsafeBufferPointer(start: pointer, count: count)))
            return 0
        }
    }
}
