// The simulator on trial: the election is broken on purpose (Mutations.swift), and the seeds must notice each mistake,
// most within a few, and find nothing wrong with the election as it is. The machine, its messages and the simulator
// are compiled as one module that has all the mistakes behind a number, so that the compiler runs once.

import Glibc
import Lab
import QureCore
import Testing

@Suite struct MutationTests {
    /// Seeds at most that a mistake may hide from.
    private static let seeds = 4000
    /// Seeds that must be clean without one: that the patches as such break nothing. SimulationTests plays many more.
    private static let cleanSeeds = 50

    /// The executable with all mistakes, or why there is none.
    private static let mutants = Result { try Mutants() }

    @Test(arguments: Mutation.all.indices)
    func `the simulator notices`(_ index: Int) throws {
        let name = Mutation.all[index].name
        let run = try Self.mutants.get().play(mutation: index + 1, seeds: Self.seeds)
        #expect(run.status == 1 && run.output.hasPrefix("seed "), "\(name): \(run.output)")
    }

    @Test func `without a mistake seeds are clean`() throws {
        let run = try Self.mutants.get().play(mutation: 0, seeds: Self.cleanSeeds)
        #expect(run.status == 0, "\(run.output)")
    }
}

/// The simulator and the machine as one executable, in which a number chooses what is wrong.
final class Mutants: Sendable {
    /// Why it could not be made.
    struct Failure: Error, CustomStringConvertible { let description: String }

    private let folder: String
    private static let root = String(#filePath.dropLast("Tests/SimulationTests/MutationTests.swift".count))
    private static let sources = [
        "Sources/QureCore/Wire", "Sources/QureCore/Protocol/Instant.swift", "Sources/QureCore/Protocol/Election",
        "Tests/Simulator", "Tests/SimulatorTool",
    ]

    init() throws {
        var name = Array("/tmp/qure-mutants-XXXXXX".utf8CString)
        guard mkdtemp(&name) != nil else { throw Failure(description: "no folder can be made in /tmp") }
        folder = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let copied = shell(
            """
            cd '\(Self.root)' &&
            find \(Self.sources.joined(separator: " ")) -name '*.swift' -exec cp {} '\(folder)' ';' &&
            sed -i -E '/^(package )?import (QureCore|Simulator)$/d' '\(folder)'/*.swift
            """)
        guard copied.status == 0 else { throw Failure(description: copied.output) }
        try patch()
        let built = shell(
            """
            cd '\(folder)' && swiftc -O -wmo -parse-as-library -swift-version 6 -package-name qure \
            -module-name Mutants -suppress-warnings *.swift -o mutants
            """)
        guard built.status == 0 else { throw Failure(description: "the mutants do not compile: \(built.output)") }
    }

    deinit { shell("rm -rf '\(folder)'") }

    /// Puts all mistakes in.
    private func patch() throws {
        var texts: [String: String] = [:]
        for (index, mutation) in Mutation.all.enumerated() {
            for patch in mutation.patches {
                var text = try texts[patch.file] ?? content(patch.file)
                guard let place = text.firstRange(of: patch.code),
                    text[place.upperBound...].firstRange(of: patch.code) == nil
                else {
                    throw Failure(
                        description: "'\(mutation.name)' is out of date: not once in \(patch.file): \(patch.code)")
                }
                let broken = patch.broken.replacing("$", with: "(mutation == \(index + 1))")
                text.replaceSubrange(place, with: broken)
                texts[patch.file] = text
            }
        }
        texts["Mutation.swift"] = """
            import Glibc
            let mutation = getenv("QURE_MUTATION").flatMap { Int(String(cString: $0)) } ?? 0
            """
        for (file, text) in texts {
            let failure = Failure(description: "cannot write \(folder)/\(file)")
            guard let stream = fopen("\(folder)/\(file)", "w") else { throw failure }
            fputs(text, stream)
            guard fclose(stream) == 0 else { throw failure }
        }
    }

    private func content(_ file: String) throws -> String {
        String(decoding: try TextFile.read("\(folder)/\(file)"), as: UTF8.self)
    }

    /// Plays seeds until one fails; 0: without a mistake.
    func play(mutation: Int, seeds: Int) -> CommandResult {
        start(["env", "QURE_MUTATION=\(mutation)", "\(folder)/mutants", "first", "\(seeds)"]).finish()
    }
}
