// What is shipped: the release executables are fully static, `make install` puts everything where it belongs and
// `make uninstall` takes it all away again, systemd understands the units, and they are as confined as they say.

import Lab
import Testing

struct InstallTests {
    /// The tools that are installed; the lab is not.
    static let tools = Repository.names("Sources/qure-*")
    static let scripts = Repository.names("scripts/qure-*")
    static let units = Repository.names("systemd/*.service")
    static let timers = Repository.names("systemd/*.timer")
    static let sockets = Repository.names("systemd/*.socket")
    static let isBuilt = tools.allSatisfy { shell("test -x '\(Repository.path)/build/bin/\($0)'").status == 0 }
    static let hasSystemd = Repository.has("systemd-analyze")

    private static func make(_ target: String) -> (status: Int, output: String) {
        let result = shell("cd '\(Repository.path)' && make -s \(target) 2>&1")
        return (result.status, result.output)
    }

    /// The files below a folder, relative to it.
    private static func files(_ folder: String) -> Set<String> {
        let found = shell("cd \(folder) && find . -type f -o -type l").output
        return Set(found.split(separator: "\n").map { String($0.dropFirst(2)) })
    }

    @Test(.enabled(if: isBuilt, "needs the release executables: make build"), arguments: tools)
    func `an executable is fully static`(_ tool: String) {
        // readelf comes with the linker that Swift needs. A program that names an interpreter or a library is dynamic.
        let headers = shell("readelf --wide --program-headers --dynamic '\(Repository.path)/build/bin/\(tool)'")
        #expect(headers.status == 0)
        #expect(headers.output.contains("LOAD"))
        #expect(!headers.output.contains("INTERP") && !headers.output.contains("NEEDED"))
    }

    @Test(.enabled(if: isBuilt, "needs the release executables: make build"))
    func `everything is installed, works there, and is uninstalled`() {
        let folder = TemporaryFolder()
        let installed = Self.make("install DESTDIR=\(folder.path) PREFIX=/opt/qure")
        #expect(installed.status == 0, "\(installed.output)")
        let root = "\(folder.path)/opt/qure"
        let files = Self.files(root)
        #expect(files == Self.expected)
        // It says what it has put where, without the packager's folder.
        #expect(Set(installed.output.split(separator: "\n").map(String.init)) == Set(files.map { "/opt/qure/\($0)" }))
        for tool in Self.tools {
            #expect(RunningTool(["\(root)/bin/\(tool)", "--version"]).finish().status == 0)
            let completion = "\(root)/share/bash-completion/completions/\(tool)"
            #expect(shell("bash -n \(completion) && grep -q 'complete .* \(tool)$' \(completion)").status == 0)
        }
        for unit in Self.units {
            let text = shell("cat '\(root)/lib/systemd/system/\(unit)'").output
            #expect(text.contains("ExecStart=/opt/qure/bin/") && !text.contains("/usr/local"))
        }
        #expect(Self.make("uninstall DESTDIR=\(folder.path) PREFIX=/opt/qure").status == 0)
        #expect(Self.files(folder.path) == [])
    }

    private static var expected: Set<String> {
        var files: Set<String> = []
        for tool in tools {
            files.formUnion([
                "bin/\(tool)", "share/bash-completion/completions/\(tool)", "share/zsh/site-functions/_\(tool)",
                "share/fish/vendor_completions.d/\(tool).fish",
            ])
        }
        files.formUnion(scripts.map { "bin/\($0)" })
        files.insert("share/doc/qure/qure-election.lua")
        files.formUnion(Repository.names("man/*.7").map { "share/man/man7/\($0)" })
        files.formUnion(Repository.names("man/*.8").map { "share/man/man8/\($0)" })
        files.formUnion((units + timers + sockets).map { "lib/systemd/system/\($0)" })
        files.formUnion(Repository.names("contrib/examples/*").map { "share/doc/qure/examples/\($0)" })
        return files
    }

    @Test(.enabled(if: Repository.has("nft"), "needs nft: make deps"))
    func `the firewall's example is one that nft takes`() {
        let file = "'\(Repository.path)/contrib/examples/nftables.nft'"
        let result = shell("nft -c -f \(file) 2>&1")
        #expect(result.status == 0 && result.output == "")
        #expect(shell("sed s/udp/udq/ \(file) | nft -c -f - 2>&1").status != 0)
    }

    @Test func `make help lists every target, each with its line`() {
        let text = Repository.text("Makefile").replacing("\\\n", with: "")
        let line = text.split(separator: "\n").first { $0.hasPrefix(".PHONY:") }
        let phony = line?.split(separator: " ").dropFirst() ?? []
        let help = Self.make("help")
        #expect(help.status == 0)
        let lines = help.output.split(separator: "\n").map { $0.split(separator: " ") }
        #expect(lines.allSatisfy { $0.count > 3 })
        #expect(lines.map { $0[1] } == Array(phony))
    }

    /// The lab puts scripts/ in front of PATH; a script that meant the system's `install` would call itself for ever.
    @Test func `no script takes another one for a command of the system`() {
        #expect(Repository.names("scripts/*").contains("install"))
        let commands = "(^|[;&|({]|then|else|do)[[:space:]]*install -"
        #expect(shell("cd '\(Repository.path)' && grep -nE '\(commands)' scripts/* .ci/run Makefile").output == "")
        #expect(shell("printf '    if x; then install -m 755 a b; fi\n' | grep -nE '\(commands)'").status == 0)
    }

    @Test func `deps knows each package once, with its reason`() {
        let lines = Repository.text("scripts/deps").split(separator: "\n").drop { $0 != "packages='" }.dropFirst()
            .prefix { $0 != "'" }
        #expect(lines.count > 5)
        #expect(Set(lines.map { $0.split(separator: " ")[0] }).count == lines.count)
        #expect(lines.allSatisfy { $0.contains(": ") })
    }

    // MARK: Units

    /// The units installed below a folder of their own, so that the programs that they name are there.
    private static func installedUnits(_ folder: TemporaryFolder) -> [String] {
        let installed = make("install PREFIX=\(folder.path)")
        #expect(installed.status == 0, "\(installed.output)")
        return (units + timers).map { "\(folder.path)/lib/systemd/system/\($0)" }
    }

    @Test(
        .enabled(if: hasSystemd, "needs systemd-analyze: make deps"),
        .enabled(if: isBuilt, "needs the release executables: make build"))
    func `systemd understands every word of the units`() {
        let folder = TemporaryFolder()
        let units = Self.installedUnits(folder)
        #expect(!units.isEmpty)
        for unit in units {
            // It ends with 0 even where it does not know a key, but it says so.
            let result = shell("systemd-analyze verify --man=no '\(unit)' 2>&1")
            #expect(result.output == "" && result.status == 0)
            let kind = unit.hasSuffix(".timer") ? ".timer" : ".service"
            let spoilt = "\(unit.dropLast(kind.count))2\(kind)"
            let slip = "s/NoNewPrivileges/NoNewPrivilege/; s/OnBootSec/OnBotSec/"
            #expect(shell("sed '\(slip)' '\(unit)' > '\(spoilt)'").status == 0)
            let complaint = shell("systemd-analyze verify --man=no '\(spoilt)' 2>&1").output
            #expect(complaint.contains(kind == ".timer" ? "OnBotSec" : "NoNewPrivilege"))
        }
        for socket in Self.sockets {
            let path = "\(folder.path)/lib/systemd/system/\(socket)"
            #expect(shell("systemd-analyze verify --man=no '\(path)' 2>&1").output == "")
        }
    }

    @Test(.enabled(if: hasSystemd, "needs systemd-analyze: make deps"))
    func `the units are confined`() {
        for unit in Self.units {
            let path = "\(Repository.path)/systemd/\(unit)"
            // The threshold is in tenths: an exposure of 2.5 on systemd's scale from 0 to 10.
            let result = shell("systemd-analyze security --no-pager --offline=true --threshold=25 '\(path)' 2>&1")
            #expect(result.status == 0, "\(result.output.split(separator: "\n").last ?? "")")
            let text = Repository.text("systemd/\(unit)")
            // What asks servers and gateways needs no privilege at all.
            let capabilities =
                switch unit {
                case "qure-dnsproxy.service": "CAP_NET_BIND_SERVICE"
                case let unit where unit.hasPrefix("qure-dnsupdate"): ""
                default: "CAP_NET_ADMIN CAP_NET_RAW"
                }
            #expect(text.contains("\nCapabilityBoundingSet=\(capabilities)\n"))
            #expect(text.contains("\nNoNewPrivileges=yes\n") && text.contains("\nProtectSystem=strict\n"))
        }
    }

    @Test func `the pages that the units name are in the manual`() {
        for unit in Self.units + Self.timers + Self.sockets {
            let lines = Repository.text("systemd/\(unit)").split(separator: "\n")
            let line = lines.first { $0.hasPrefix("Documentation=") }
            let pages = line?.dropFirst("Documentation=".count).split(separator: " ") ?? []
            #expect(!pages.isEmpty)
            for page in pages {
                // man:qure-standby(8)
                let parts = page.split { ":()".contains($0) }
                #expect(Repository.names("man/*").contains("\(parts[1]).\(parts[2])"))
            }
        }
    }
}
