// Contestant: what keeps the shared address on the hosts of a lab: a cluster of qure's members, qure-standby, or
// keepalived for comparison. All are started, asked to leave and killed in the same way, host by host.

import Glibc
import QureCore

/// Something that keeps the shared address alive on the hosts of a lab.
package protocol Contestant: AnyObject {
    /// For people: the program and its settings.
    var name: String { get }
    /// Starts it on a host.
    func start(_ host: Int) throws
    /// Asks it to leave, as a service manager does, and waits for its end. Returns the exit status; nil: it stays.
    @discardableResult
    func stop(_ host: Int) -> Int?
    /// Whether a host has joined and could take over.
    func isReady(_ host: Int) -> Bool
    /// The names of its processes, as the kernel has them.
    var processNames: [String] { get }
    /// What it has said.
    var said: String { get }
}

/// Members of a cluster of qure's on the hosts of a lab.
package final class Cluster: Contestant {
    private let lab: Lab
    private let folder: String
    private let lines: [String]
    /// What a host's programs find in their environment.
    private let environment: (Int) -> [String: String]
    private let addresses: [String]
    private var members: [Int: LabProcess] = [:]
    /// Heartbeat interval and tolerance.
    package let interval: Duration, tolerance: Duration

    /// A cluster with nobody in it yet. `lines`: more of the members' configuration.
    package init(
        _ lab: Lab, interval: Duration = .milliseconds(100), tolerance: Duration = .milliseconds(200),
        addresses: [String] = [Lab.Plan.shared], lines: [String] = [],
        environment: @escaping (Int) -> [String: String] = { _ in [:] }
    ) throws {
        self.environment = environment
        self.lab = lab
        self.interval = interval
        self.tolerance = tolerance
        self.addresses = addresses
        self.lines = lines
        folder = shell("mktemp -d -p /run").output.filter { $0 != "\n" }
        shell("umask 077; '\(try Toolbox.path(of: "qure-elect"))' keygen > '\(folder)/key' 2> /dev/null")
    }

    deinit { shell("rm -r '\(folder)'") }

    package var name: String { "qure \(interval.milliseconds)/\(tolerance.milliseconds) ms" }
    package var processNames: [String] { ["qure-elect", "qure-claim", "qure-guard"] }
    package var said: String {
        members.sorted { $0.key < $1.key }.map { "h\($0.key): \($0.value.output)\($0.value.errors)" }.joined()
    }

    /// What a host has said.
    package func said(by host: Int) -> String { members[host].map { $0.output + $0.errors } ?? "" }

    package func start(_ host: Int) throws {
        let configuration =
            [
                "cluster home", "interface eth0", "name h\(host)", "key-file \(folder)/key",
                "state-dir \(folder)/run\(host)", "keep-dir \(folder)/keep\(host)",
                "interval \(interval.text)", "tolerance \(tolerance.text)",
            ] + addresses.map { "address \($0)" } + lines
        let file = "\(folder)/h\(host).conf"
        shell("printf '%s\\n' '\(configuration.joined(separator: "\n"))' > '\(file)'")
        members[host] = try lab.host(host).start(
            [try Toolbox.path(of: "qure-member"), file], environment: environment(host))
    }

    @discardableResult
    package func stop(_ host: Int) -> Int? {
        // Each program of a member closes a socket of the packet filter in the end. The kernel lets it wait until it is
        // rid of what was removed before: seconds (seven were seen) where many processes want the processors.
        members[host]?.stop(within: .seconds(20))
    }

    /// Gives all members another key file, and tells them.
    package func setKeys(_ text: String) {
        shell("printf '%s' '\(text)' > '\(folder)/key'")
        for member in members.values { member.send(SIGHUP) }
    }

    /// The key file of all members.
    package var keys: String { shell("cat '\(folder)/key'").output }

    /// Asks the elector of a host: `status`, `resign` and the like.
    package func ask(_ host: Int, _ request: String) -> CommandResult {
        guard let tool = try? Toolbox.path(of: "qure-elect") else { return CommandResult(status: 71, output: "") }
        return shell("'\(tool)' \(request) --cluster home --state-dir '\(folder)/run\(host)'")
    }

    package func isReady(_ host: Int) -> Bool {
        ["standby", "master"].contains { ask(host, "status").output.hasPrefix("\($0) ") } && hasFollower(host)
    }

    /// Whether the follower of a host reads what its elector says: it may begin long after that has joined, and until
    /// then the host takes over nothing.
    private func hasFollower(_ host: Int) -> Bool {
        guard let tool = try? Toolbox.path(of: "qure-claim") else { return false }
        let claims = try? lab.host(host).run(tool, "show", "--json", "--state-dir", "\(folder)/run\(host)").output
        return claims?.contains("\"mode\":\"follow\"") == true
    }

    /// Prints what the elector of a host tells, from now on.
    package func watch(_ host: Int) throws -> LabProcess {
        let place = ["--cluster", "home", "--state-dir", "\(folder)/run\(host)"]
        return try LabProcess([Toolbox.path(of: "qure-elect"), "watch"] + place)
    }

    /// Lets a host remember what another one does, as a copy of its disk would.
    package func copyMemory(of original: Int, to copy: Int) {
        must("rm -rf \(folder)/keep\(copy)")
        must("cp -a \(folder)/keep\(original) \(folder)/keep\(copy)")
    }

    /// Whether a host's elector is master.
    package func isMaster(_ host: Int) -> Bool { ask(host, "status").output.hasPrefix("master ") }

    /// How many members a host knows, itself included.
    package func members(knownTo host: Int) -> Int { ask(host, "members").output.split(separator: "\n").count }
}

/// qure-standby on the hosts of a lab: no election, each host asks the link.
package final class StandbyLoops: Contestant {
    private let lab: Lab
    private var loops: [Int: LabProcess] = [:]

    /// Loops on no host yet.
    package init(_ lab: Lab) { self.lab = lab }

    package var name: String { "qure-standby --interval 100ms" }
    package var processNames: [String] { ["qure-standby", "qure-probe", "qure-claim", "qure-guard"] }
    package var said: String {
        loops.sorted { $0.key < $1.key }.map { "h\($0.key): \($0.value.output)\($0.value.errors)" }.joined()
    }

    package func start(_ host: Int) throws {
        loops[host] = try lab.host(host).start(
            Toolbox.path(of: "qure-standby"), "--interval", "100ms", "--fall", "3", "--state-dir",
            "/run/qure/h\(host)", Lab.Plan.shared)
    }

    @discardableResult
    package func stop(_ host: Int) -> Int? { loops[host]?.stop() }

    package func isReady(_ host: Int) -> Bool { loops[host]?.isRunning == true }
}

/// keepalived on the hosts of a lab.
package final class Keepalived: Contestant {
    private let lab: Lab
    private let folder: String
    private let interval: Duration
    private let watchesGateway: Bool
    private var daemons: [Int: LabProcess] = [:]

    /// keepalived with this advert_int, nowhere yet. `watchesGateway`: each second it asks whether the gateway is
    /// there, as qure-elect does; it runs a program for that.
    package init(_ lab: Lab, interval: Duration, watchesGateway: Bool = false) {
        self.lab = lab
        self.interval = interval
        self.watchesGateway = watchesGateway
        folder = shell("mktemp -d -p /run").output.filter { $0 != "\n" }
    }

    deinit { shell("rm -r '\(folder)'") }

    package var name: String { "keepalived \(interval.milliseconds) ms" }
    package var processNames: [String] { ["keepalived"] }
    package var said: String {
        daemons.sorted { $0.key < $1.key }.map { "h\($0.key): \($0.value.output)\($0.value.errors)" }.joined()
    }

    package func start(_ host: Int) throws {
        let hundredths = interval.milliseconds / 10
        let seconds = "\(hundredths / 100).\(hundredths / 10 % 10)\(hundredths % 10)"
        let configuration = """
            global_defs {
                vrrp_version 3
                script_user root
            }
            vrrp_script gateway {
                script "/usr/bin/ping -q -n -c 1 -W 1 192.168.1.1"
                interval 1
                fall 3
                rise 1
            }
            vrrp_instance site {
                state BACKUP
                interface eth0
                virtual_router_id 77
                priority \(200 - host)
                advert_int \(seconds)
                nopreempt
                \(watchesGateway ? "track_script { gateway }" : "")
                virtual_ipaddress {
                    \(Lab.Plan.shared) dev eth0
                }
            }
            """
        let file = "\(folder)/h\(host).conf"
        shell("printf '%s\\n' '\(configuration)' > '\(file)'; chmod 644 '\(file)'; rm -f '\(folder)'/h\(host)*.pid")
        daemons[host] = try lab.host(host).start(
            "keepalived", "--dont-fork", "--log-console", "--vrrp", "--use-file", file, "--pid",
            "\(folder)/h\(host).pid", "--vrrp_pid", "\(folder)/h\(host)v.pid")
    }

    @discardableResult
    package func stop(_ host: Int) -> Int? { daemons[host]?.stop() }

    package func isReady(_ host: Int) -> Bool {
        guard let daemon = daemons[host] else { return false }
        return ["BACKUP", "MASTER"].contains { (daemon.output + daemon.errors).contains("Entering \($0) STATE") }
    }
}
