// NetworkManagers: programs that configure interfaces and could take away what they did not put there, as far as their
// files below /run tell: systemd-networkd, NetworkManager, dhcpcd. Each has a setting that keeps it off, of which
// contrib/examples has an example.

import QureCore

/// What manages an interface on this host.
struct NetworkManagers {
    private let link: Link
    private static let examples = "share/doc/qure/examples"

    init(_ link: Link) { self.link = link }

    var findings: [Finding] { [networkd, networkManager, dhcpcd].compactMap { $0 } }

    /// It takes addresses away that it did not put there when it configures the interface.
    private var networkd: Finding? {
        guard let text = Self.text("/run/systemd/netif/links/\(link.index)") else { return nil }
        let values = Self.values(text)
        guard let state = values["ADMIN_STATE"], state != "unmanaged", let file = values["NETWORK_FILE"]
        else {
            return nil
        }
        let name = file.split(separator: "/").last.map(String.init) ?? file
        let folders = ["/etc", "/run", "/usr/lib", "/lib"].map { "\($0)/systemd/network/\(name).d" }
        let parts = folders.flatMap { folder in TextFile.names(in: folder).map { "\(folder)/\($0)" } }
        let keeps = ([file] + parts).contains { path in
            ["static", "yes"].contains(Self.values(Self.text(path) ?? "")["KeepConfiguration"])
        }
        if keeps { return ok("systemd-networkd", "leaves alone what it did not put there") }
        return warning(
            "systemd-networkd",
            "takes away addresses that it did not put there when it configures it anew",
            "systemd-networkd.conf", "/etc/systemd/network/\(name).d/qure.conf")
    }

    /// It leaves addresses alone on interfaces that it knows, but takes hold of new ones.
    private var networkManager: Finding? {
        guard let text = Self.text("/run/NetworkManager/devices/\(link.index)"),
            Self.values(text)["managed"] == "true"
        else { return nil }
        let folders = ["/etc", "/run", "/usr/lib"].map { "\($0)/NetworkManager/conf.d" }
        let keepsOff = folders.contains { folder in
            TextFile.names(in: folder).contains {
                Self.values(Self.text("\(folder)/\($0)") ?? "")["unmanaged-devices"]?.contains("qure")
                    == true
            }
        }
        if keepsOff { return ok("NetworkManager", "keeps off the interfaces of virtual-mac") }
        return warning(
            "NetworkManager", "would configure the interfaces of virtual-mac as well",
            "NetworkManager.conf",
            "/etc/NetworkManager/conf.d/qure.conf")
    }

    private var dhcpcd: Finding? {
        let files =
            ["pid", "\(link.name).pid"].map { "/run/dhcpcd/\($0)" }
            + ["/run/dhcpcd.pid", "/run/dhcpcd-\(link.name).pid"]
        let runs = files.contains { file in
            guard let pid = Self.text(file).flatMap({ Int32($0.filter { $0 != "\n" && $0 != " " }) })
            else { return false }
            return Self.text("/proc/\(pid)/comm") == "dhcpcd\n"
        }
        guard runs else { return nil }
        let lines = (Self.text("/etc/dhcpcd.conf") ?? "").split(separator: "\n")
        if lines.contains(where: { $0.hasPrefix("denyinterfaces ") && $0.contains("qure") }) {
            return ok("dhcpcd", "keeps off the interfaces of virtual-mac")
        }
        return warning(
            "dhcpcd", "would configure the interfaces of virtual-mac as well", "dhcpcd.conf",
            "/etc/dhcpcd.conf")
    }

    private func ok(_ manager: String, _ what: String) -> Finding {
        Finding(level: .ok, subject: "manager", text: "\(manager) manages \(link.name) and \(what)")
    }

    private func warning(_ manager: String, _ what: String, _ example: String, _ place: String)
        -> Finding
    {
        Finding(
            level: .warning, subject: "manager",
            text:
                "\(manager) manages \(link.name) and \(what): \(Self.examples)/\(example), as \(place), keeps it off")
    }

    private static func text(_ path: String) -> String? {
        (try? TextFile.read(path)).map { String(decoding: $0, as: UTF8.self) }
    }

    /// The `KEY=VALUE` lines of a file, whatever its sections; the last one of a key counts.
    private static func values(_ text: String) -> [String: String] {
        var values: [String: String] = [:]
        for line in text.split(separator: "\n") where !line.hasPrefix("#") && !line.hasPrefix(";") {
            let halves = line.split(separator: "=", maxSplits: 1)
            if halves.count == 2 {
                values[halves[0].filter { $0 != " " }] = halves[1].filter { $0 != " " }
            }
        }
        return values
    }
}
