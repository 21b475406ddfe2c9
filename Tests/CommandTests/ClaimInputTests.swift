// What qure-claim makes of wrong words: one clear sentence, the right exit status, and nothing done. And what it says
// where it may not do what it has to.

import Glibc
import Lab
import QureCore
import Testing

/// Each test in a network of its own.
@Suite(.enabled(if: ClaimNetwork.missing == nil, "\(ClaimNetwork.missing ?? "")"))
struct ClaimInput {
    let network = ClaimNetwork()

    private static let prefixAdvice = "is not an address with a prefix length; write it like 192.168.1.11/24"
    private static let noHost = "no host's address; give the one to claim with its prefix length"
    private static let durationAdvice = "is not a duration; write it like 250ms, 2s or 1m"
    private static let label = "cannot be a label (1 to 15 characters, no blank)"
    private static let name = "cannot be an interface's name (1 to 15 characters, no '/' or blank)"
    private static let mac = "is not a hardware address; write it like 52:54:00:12:34:56"
    private static let badMAC = "cannot be an interface's (the lowest bit of its first octet must be 0, and some bit 1)"

    /// Words behind `qure-claim`, and the sentence on standard error. `_` stands for an empty word.
    static let usage: [(words: String, sentence: String)] = [
        ("", "a command is missing: add, del, hold, follow, announce or show"),
        ("bogus", "Unexpected argument 'bogus'"), ("--bogus", "Unknown option '--bogus'"),
        ("add", "Missing expected argument '<address> ...'"), ("hold", "Missing expected argument '<address> ...'"),
        ("follow", "Missing expected argument '<address> ...'"), ("del", "Missing expected argument '<address> ...'"),
        ("announce", "Missing expected argument '<address> ...'"),
        ("add 10.9.0.50/33", "'10.9.0.50/33' \(prefixAdvice)"),
        ("add 10.9.0.50/24x", "'10.9.0.50/24x' \(prefixAdvice)"),
        ("add 10.9.0.50/", "'10.9.0.50/' \(prefixAdvice)"), ("add 10.9.0.50/-1", "'10.9.0.50/-1' \(prefixAdvice)"),
        ("add 10.9.0.500/24", "'10.9.0.500/24' \(prefixAdvice)"), ("add 10.9.0/24", "'10.9.0/24' \(prefixAdvice)"),
        ("add 010.9.0.50/24", "'010.9.0.50/24' \(prefixAdvice)"), ("add host/24", "'host/24' \(prefixAdvice)"),
        ("add _", "'' \(prefixAdvice)"), ("add fd09::50/129", "'fd09::50/129' \(prefixAdvice)"),
        ("add fd09:::50/64", "'fd09:::50/64' \(prefixAdvice)"),
        ("del 10.9.0.50,10.9.0.51", "'10.9.0.50,10.9.0.51' \(prefixAdvice)"),
        ("show x", "'x' \(prefixAdvice)"), ("announce x", "'x' \(prefixAdvice)"),
        ("add fd09::50%eth0/64", "'fd09::50%eth0/64': leave the zone out and name the interface with -i"),
        ("hold fe80::50%eth0", "'fe80::50%eth0': leave the zone out and name the interface with -i"),
        ("add 224.0.0.1/24", "224.0.0.1/24: \(noHost)"), ("hold 224.0.0.1/24", "224.0.0.1/24: \(noHost)"),
        ("follow ff02::1/64", "ff02::1/64: \(noHost)"), ("add 255.255.255.255/32", "255.255.255.255/32: \(noHost)"),
        ("add 0.0.0.0/24", "0.0.0.0/24: \(noHost)"), ("add ::/64", "::/64: \(noHost)"),
        ("add 127.0.0.9/8", "127.0.0.9/8: \(noHost)"), ("add ::1/128", "::1/128: \(noHost)"),
        ("announce 224.0.0.1", "224.0.0.1: no host's address"), ("announce ::1", "::1: no host's address"),
        ("add 10.9.0.0/24", "10.9.0.0/24: is the network's own or its broadcast address, not a host's"),
        ("hold 10.9.0.255/24", "10.9.0.255/24: is the network's own or its broadcast address, not a host's"),
        ("add 10.9.0.50/0", "10.9.0.50/0: a prefix length of 0 would cover everything"),
        ("follow fd09::50/0", "fd09::50/0: a prefix length of 0 would cover everything"),
        ("add ::ffff:10.9.0.50/96", "::ffff:10.9.0.50/96: an IPv4 address in the dress of IPv6; write it as 10.9.0.50"),
        ("hold 10.9.0.50/24 fd09::50/64 10.9.0.50/25", "the same address is given twice"),
        ("add -i", "Missing value for '-i <interface>'"), ("add -i _ 10.9.0.50/24", "'' \(name)"),
        ("add -i eth0/1 10.9.0.50/24", "'eth0/1' \(name)"),
        ("show -i averyverylongname", "'averyverylongname' \(name)"),
        ("add -i lo 10.9.0.50/24", "lo: not an Ethernet interface, so there is no link to announce an address on"),
        ("add 10.77.0.50/24", "10.77.0.50: no interface's on-link route covers it: name one with --interface"),
        ("add --lease 0 10.9.0.50/24", "'0' \(durationAdvice), longer than nothing"),
        ("hold --lease 1x 10.9.0.50/24", "'1x' \(durationAdvice)"),
        ("follow --lease _ 10.9.0.50/24", "'' \(durationAdvice)"),
        ("add --lease=-1 10.9.0.50/24", "'-1' \(durationAdvice)"),
        ("add --lease 99999999999999999999s 10.9.0.50/24", "'99999999999999999999s' \(durationAdvice)"),
        ("add --lease 25h 10.9.0.50/24", "--lease takes 100ms to a day, not 90000s"),
        ("hold --lease 99ms 10.9.0.50/24", "--lease takes 100ms to a day, not 99ms"),
        ("add --label _ 10.9.0.50/24", "'' \(label)"),
        ("add --label 1234567890123456 10.9.0.50/24", "'1234567890123456' \(label)"),
        ("add --announce 7 10.9.0.50/24", "--announce takes 0 to 6, not 7"),
        ("announce --announce x 10.9.0.50", "The value 'x' is invalid for '--announce <announce>'"),
        ("add --virtual-mac=xx 10.9.0.50/24", "'xx' \(mac)"), ("add --virtual-mac= 10.9.0.50/24", "' ' \(mac)"),
        ("hold --virtual-mac 01:00:00:00:00:01 10.9.0.50/24", "01:00:00:00:00:01 \(badMAC)"),
        ("add --virtual-mac ff:ff:ff:ff:ff:ff 10.9.0.50/24", "ff:ff:ff:ff:ff:ff \(badMAC)"),
        ("add --virtual-mac=00:00:00:00:00:00 10.9.0.50/24", "00:00:00:00:00:00 \(badMAC)"),
        ("add --no-verify 10.9.0.50/24", "Unknown option '--no-verify'"),
        ("add --state-dir= 10.9.0.50/24", ""),
        ("add --state-dir _ 10.9.0.50/24", "--state-dir needs the name of a directory"),
        ("add --config /nonexistent 10.9.0.50/24", "open /nonexistent: No such file or directory"),
        ("hold --config", "--config needs the name of a file"),
        ("hold --check-config 10.9.0.0/24", "10.9.0.0/24: is the network's own or its broadcast address, not a host's"),
    ]

    @Test func `every wrong word is one sentence, status 64, and nothing done`() {
        for (words, sentence) in Self.usage {
            let arguments = words.split(separator: " ").map { $0 == "_" ? "" : String($0) }
            let result = network.start([Executables.path("qure-claim")] + arguments).finish()
            #expect(result.status == 64 && result.output == "", "\(words): \(result)")
            let line = result.errors.replacing(#/ \(see 'qure-claim( \w+)? --help'\)/#, with: "")
            #expect(sentence.isEmpty || line == "qure-claim: \(sentence)\n", "\(words)")
            #expect(line.components(of: "\n") == 1, "\(words)")
        }
        requireNothingDone()
    }

    /// Neither an address nor a macvlan, a table or an entry.
    private func requireNothingDone() {
        #expect(network.sh("ip -o addr show dev eth0 | grep -c 'inet.* global'") == "2\n")
        #expect(network.sh("ip -o link show type macvlan") == "")
        #expect(network.sh("nft list tables") == "")
        #expect(network.sh("ls -A /run/qure/claims/netns-$(stat -L -c %i /proc/self/ns/net) 2> /dev/null || :") == "")
    }

    /// Lines of a configuration file, and what is said about it.
    static let files: [(text: String, sentence: String)] = [
        ("lease 2x", "1: '2x' \(durationAdvice)"), ("# a remark\n\nbogus 2", "3: Unknown option '--bogus'"),
        ("lease 2s\n--label x", "2: write 'label' without dashes"),
        ("no-verify yes", "1: The option '--no-verify' does not take any value, but 'yes' was specified"),
        ("virtual-mac 03:00:00:00:00:01", "1: 03:00:00:00:00:01 \(badMAC)"), ("virtual-mac zz", "1: 'zz' \(mac)"),
        ("interface eth0/1", "1: 'eth0/1' \(name)"), ("label 1234567890123456", "1: '1234567890123456' \(label)"),
        ("config other", "1: a configuration file cannot name another one"),
    ]

    @Test(arguments: ["", "--check-config "])
    func `every wrong line of a file is named`(_ option: String) {
        let file = "\(network.folder)/claim.conf"
        for (text, sentence) in Self.files {
            network.sh("printf '\(text.replacing("\n", with: "\\n"))\\n' > \(file)")
            let result = network.claim("hold \(option)--config \(file) 10.9.0.50/24")
            #expect(result == ToolResult(64, errors: "qure-claim: \(file):\(sentence)\n"))
        }
        requireNothingDone()
        network.sh("printf 'virtual-mac\\nno-verify\\nlease 3s\\ninterface eth0\\n' > \(file)")
        #expect(network.claim("follow --check-config --config \(file) 10.9.0.50/24") == ToolResult(0))
        requireNothingDone()
    }

    @Test func `what is missing on this host is status 69`() {
        for words in ["add", "hold", "follow", "announce", "del"] {
            #expect(
                network.claim("\(words) -i eth7 10.9.0.50/24")
                    == ToolResult(69, errors: "qure-claim: eth7: no such interface\n"))
        }
        requireNothingDone()
    }

    @Test func `IPv6 that is switched off is said`() {
        network.sh("sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1")
        for words in ["add", "hold --no-verify"] {
            let result = network.claim("\(words) -i eth0 fd09::50/64")
            #expect(result.status == 71)
            #expect(
                result.errors.contains(
                    "add address fd09::50/64 eth0: Permission denied: "
                        + "IPv6 is off on eth0 (net.ipv6.conf.eth0.disable_ipv6)\n"
                ),
                "\(result.errors)")
        }
        #expect(network.sh("nft list tables") == "")
        #expect(network.claim("add --announce 0 10.9.0.50/24").status == 0)
    }

    /// The commands that need a privilege.
    static let commands = [
        "add", "add --unless-held", "hold", "hold --unless-held", "follow", "add --virtual-mac", "hold --virtual-mac",
    ]

    @Test(arguments: [("net_admin", "change interface eth0"), ("net_raw", "socket")])
    func `without a capability it says which one is missing, and nothing is done`(_ capability: String, _ call: String)
    {
        let tool = Executables.path("qure-claim")
        let wanted = "needs CAP_\(capability.uppercased()): run it as root, or once: setcap "
        for words in Self.commands {
            for address in ["10.9.0.50/24", "fd09::50/64"] {
                let result = network.start(
                    ["setpriv", "--bounding-set=-\(capability)", "--inh-caps=-\(capability)", tool]
                        + "\(words) \(address)".split(separator: " ").map(String.init)
                ).finish()
                #expect(result.status == 77 && result.output == "", "\(words): \(result)")
                #expect(
                    result.errors.hasPrefix("qure-claim: \(call): Operation not permitted (\(wanted)"),
                    "\(words): \(result.errors)")
                #expect(result.errors.components(of: "\n") == 1)
            }
        }
        requireNothingDone()
        // What was put there before stays known as qure's.
        #expect(network.claim("add --announce 0 10.9.0.50/24").status == 0)
        let before = network.claim("show").output
        #expect(
            network.start([
                "setpriv", "--bounding-set=-\(capability)", "--inh-caps=-\(capability)", tool, "hold", "10.9.0.50/24",
            ])
            .finish().status == 77)
        #expect(network.claim("show").output.hasPrefix(before.prefix { $0 != "f" }))
    }

    @Test func `help and version are results`() {
        for words in ["--help", "add --help", "follow --help", "--version", "help hold"] {
            let result = network.claim(words)
            #expect(result.status == 0 && result.errors == "" && !result.output.isEmpty)
        }
    }
}
