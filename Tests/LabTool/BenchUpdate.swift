// What an update of the DNS takes from the command line to the exit status, beside nsupdate, with named as the server
// of both: one signed update, a thousand of them in one script, and a thousand changes in one message; and a site that
// registers, beside the update alone.

import Lab
import QureCore

extension Bench {
    /// A server with one zone, on the loopback address of this namespace.
    mutating func measureUpdate() throws {
        for program in ["named", "nsupdate", "dig"] where !Toolbox.isInstalled(program) {
            throw LabError("\(program): not found: make deps")
        }
        // The loopback interface, and a /run of our own.
        try PrivateNamespace.prepare()
        let folder = "/run/qure-bench-update"
        try TextFile.makeDirectory(folder)
        func write(_ name: String, _ text: String) throws {
            try TextFile.replace("\(folder)/\(name)", with: Array(text.utf8))
        }
        let secret = String(repeating: "QUJD", count: 11)
        try write("key", "key k { algorithm hmac-sha256; secret \"\(secret)\"; };\n")
        try write("z.db", "$TTL 60\nz.test. SOA ns.z.test. h.z.test. 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n")
        try write(
            "named.conf",
            """
            include "\(folder)/key";
            options {
                directory "\(folder)"; pid-file none; session-keyfile none; listen-on port 5300 { 127.0.0.1; };
                listen-on-v6 { none; }; recursion no; notify no;
            };
            controls { };
            logging { category default { null; }; };
            zone "z.test" { type primary; file "z.db"; update-policy { grant k zonesub any; }; };

            """)
        run("chmod 600 \(folder)/key")
        let start = "server 127.0.0.1 5300\nzone z.test\n"
        let names = (0..<1000).map { "add a\($0).z.test 60 A 192.0.2.1\n" }
        try write("one", start + names[0] + "send\n")
        try write("thousand", start + names.map { $0 + "send\n" }.joined())
        try write("long", start + names.joined() + "send\n")
        try write("nothing", "quit\n")
        let server = try LabProcess(["named", "-f", "-n", "1", "-c", "\(folder)/named.conf"])
        let isThere = eventually {
            run("dig @127.0.0.1 -p 5300 +short +time=1 +tries=1 z.test SOA").output.contains("ns.z.test")
        }
        guard isThere else { throw LabError("named does not answer") }
        for (what, script, rounds) in [
            ("starting and ending", "nothing", rounds), ("one signed update", "one", rounds),
            ("a thousand in one script", "thousand", fewRounds), ("a thousand changes in one", "long", fewRounds),
        ] {
            let arguments = "-k \(folder)/key \(folder)/\(script)"
            let times = try race(["qure-dnsupdate \(arguments)", "nsupdate \(arguments)"], rounds: rounds)
            try add(what, times[0], beside: ("nsupdate", times[1]), target: "faster", isMet: { $0 < $1 })
        }
        for (turn, other) in [(1, 2), (2, 1)] {
            let lines = ["del b.z.test A 192.0.2.\(other)", "add b.z.test 60 A 192.0.2.\(turn)", "send"]
            try write("move\(turn)", start + lines.joined(separator: "\n") + "\n")
        }
        try measureRegister(in: folder)
        server.stop()
    }

    /// A site that has moved, and one that has not: each looks before it changes anything, and after it. nsupdate does
    /// no more than it is told.
    private mutating func measureRegister(in folder: String) throws {
        let options = "--server 127.0.0.1#5300 --zone z.test --site s --allow-private -k \(folder)/key"
        let own = try [1, 2].map { turn in
            try Stopwatch("qure-dnsupdate register r.z.test \(options) --address 192.0.2.\(turn)")
        }
        let peers = try [1, 2].map { turn in try Stopwatch("nsupdate -k \(folder)/key \(folder)/move\(turn)") }
        var same: [Duration] = [], moved: [Duration] = [], others: [Duration] = []
        for contestant in own + peers { _ = try contestant.run() }
        for round in 0..<rounds {
            moved.append(try own[round % 2].run())
            others.append(try peers[round % 2].run())
            same.append(try own[round % 2].run())
        }
        let peer = (what: "nsupdate", times: others.sorted())
        try add("register, unchanged", same.sorted(), beside: peer, target: "faster", isMet: { $0 < $1 })
        try add("register, moved", moved.sorted(), beside: peer, target: "faster", isMet: { $0 < $1 })
    }
}
