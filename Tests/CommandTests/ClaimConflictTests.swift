// What `qure-claim hold` does about other hosts: it defends an address once, gives it up to who insists, asks before
// it takes one if it is told to, and after it has slept.

import Glibc
import Lab
import QureCore
import Testing

/// Each test in a network of its own.
@Suite(.enabled(if: ClaimNetwork.missing == nil, "\(ClaimNetwork.missing ?? "")"))
struct ClaimConflict {
    /// Host 3 is the stranger.
    let network = ClaimNetwork(hosts: 3)

    private static let strangerMAC = ClaimNetwork.mac(3)

    @Test(arguments: [
        ("10.9.0.50/24", "who-has 10.9.0.50 tell 10.9.0.50"), ("fd09::50/64", "tgt is fd09::50, Flags [override]"),
    ])
    func `one foreign claim is answered, a second one within ten seconds ends it`(
        _ prefix: String, _ announcement: String
    ) {
        let address = String(prefix.prefix { $0 != "/" })
        let holder = network.startHold("--no-verify \(prefix)", taking: address)
        let witness = Witness("arp or (icmp6 and ip6[40] = 136)", on: 2, of: network)
        network.settle(address)
        let before = witness.frames(ClaimNetwork.mac(1), announcement).count
        #expect(network.claim("announce --announce 1 \(address)", on: 3).status == 0)
        #expect(holder.says("\(address) conflict \(Self.strangerMAC) defended eth0\n"))
        #expect(holder.complains("\(address): \(Self.strangerMAC) says that it has it too, defended\n"))
        #expect(eventually { witness.frames(ClaimNetwork.mac(1) + " >", announcement).count > before })
        #expect(network.has(address) && holder.isRunning)
        #expect(network.claim("show \(address)").output.contains(" conflicts 1 "))
        #expect(network.claim("announce --announce 1 \(address)", on: 3).status == 0)
        let end = holder.finish()
        #expect(end.status == 1)
        #expect(
            end.errors.hasSuffix("qure-claim: \(address): given up to \(Self.strangerMAC), which does not give way\n"))
        #expect(end.output.hasSuffix("\(address) withdrawn eth0\n"))
        #expect(!network.has(address))
        #expect(network.sh("nft list tables") == "")
    }

    @Test func `a conflict as a record`() {
        let holder = network.startClaim("hold --json --no-verify 10.9.0.50/24")
        #expect(holder.says("taken"))
        #expect(network.claim("announce --announce 1 10.9.0.50", on: 3).status == 0)
        #expect(holder.says(#""state":"conflict","interface":"eth0","mac":"\#(Self.strangerMAC)""#))
        let record = holder.output.split(separator: "\n").compactMap { JSONRecord($0) }.first {
            $0.text("state") == "conflict"
        }
        #expect(record?.names == ["address", "state", "interface", "mac", "time_us", "detail"])
        #expect(record?.text("detail") == "\(Self.strangerMAC) defended")
        #expect(holder.end().status == 0)
    }

    @Test(arguments: ["10.9.0.50/24", "fd09::50/64"])
    func `a host that has the address and says nothing is found out`(_ prefix: String) {
        let address = String(prefix.prefix { $0 != "/" })
        network.sh("ip addr add \(prefix) dev eth0 nodad", on: 3)
        // Taken without a question; the other one answers the question that is asked each second.
        let holder = network.startHold("--no-verify \(prefix)", taking: address)
        #expect(holder.says("\(address) conflict \(Self.strangerMAC) defended eth0\n"))
        let end = holder.finish()
        #expect(end.status == 1)
        #expect(end.errors.contains("given up to \(Self.strangerMAC)"))
        #expect(!network.has(address) && network.has(address, on: 3))
    }

    @Test func `what others ask and say about other things is no conflict`() {
        let holder = network.startHold("--no-verify 10.9.0.50/24 fd09::50/64")
        for other in ["10.9.0.51", "fd09::51"] {
            #expect(network.claim("announce --announce 3 \(other)", on: 3).status == 0)
        }
        #expect(network.claim("add --unless-held 10.9.0.50/24", on: 3).status == 1)
        #expect(network.claim("add --unless-held fd09::50/64", on: 3).status == 1)
        #expect(network.pings("10.9.0.50", from: 3) && network.pings("fd09::50", from: 3))
        network.sh("ping -c 3 -i 0.01 -b 10.9.0.255 > /dev/null 2>&1 || :", on: 3)
        #expect(network.claim("show 10.9.0.50").output.contains(" conflicts 0 "))
        #expect(holder.end() == ToolResult(0, holder.output, errors: ""))
    }

    @Test(arguments: ["10.9.0.50/24", "fd09::50/64"])
    func `unless held, what another host has is left to it`(_ prefix: String) {
        let address = String(prefix.prefix { $0 != "/" })
        network.sh("ip addr add \(prefix) dev eth0 nodad", on: 3)
        #expect(
            network.claim("hold --unless-held \(prefix)")
                == ToolResult(1, errors: "qure-claim: \(address): held by \(Self.strangerMAC)\n"))
        #expect(!network.has(address))
        #expect(network.sh("nft list tables") == "")
        network.sh("ip addr del \(prefix) dev eth0", on: 3)
        let holder = network.startHold("--unless-held --no-verify \(prefix)", taking: address)
        #expect(holder.end().status == 0)
    }

    @Test(arguments: ["10.9.0.50/24", "fd09::50/64"], [0, 1, 2, 3, 4])
    func `of two that begin at once exactly one holds`(_ prefix: String, _ turn: Int) {
        let address = String(prefix.prefix { $0 != "/" })
        // Both orders, a little apart or not at all.
        let hosts = turn % 2 == 0 ? [1, 2] : [2, 1]
        var tools = [network.startClaim("hold --unless-held --no-verify \(prefix)", on: hosts[0])]
        if turn > 2 { usleep(UInt32(turn * 10000)) }  // the head start of this turn
        tools.append(network.startClaim("hold --unless-held --no-verify \(prefix)", on: hosts[1]))
        #expect(eventually { tools.contains { !$0.isRunning } })
        #expect(eventually { tools.contains { $0.output.contains("taken") } })
        let losers = tools.filter { !$0.isRunning }
        #expect(losers.count == 1, "\(tools.map(\.errors))")
        let result = losers.first?.finish()
        #expect(result?.status == 1 && result?.output == "", "\(result as Any)")
        #expect(result?.errors.starts(with: "qure-claim: \(address): ") == true)
        for (tool, host) in zip(tools, hosts) {
            #expect(network.has(address, on: host) == tool.isRunning)
            if tool.isRunning { #expect(tool.end().status == 0) }
        }
    }

    @Test func `two that hold without a question do not go on for ever`() {
        let tools = [1, 2].map { network.startClaim("hold --no-verify 10.9.0.50/24 fd09::50/64", on: $0) }
        #expect(eventually { tools.contains { !$0.isRunning } })
        #expect(tools.filter { !$0.isRunning }.allSatisfy { $0.finish().status == 1 })
    }

    @Test(arguments: ["10.9.0.50/24", "fd09::50/64"])
    func `after a sleep longer than its lease it says nothing before it has asked`(_ prefix: String) throws {
        let address = String(prefix.prefix { $0 != "/" })
        let holder = network.startHold("--no-verify --lease 1s \(prefix)", taking: address)
        let twin = try #require(ClaimNetwork.twin(of: holder))
        network.settle(address, after: 1200)
        holder.signal(SIGSTOP)
        kill(twin, SIGSTOP)
        // The kernel's lifetime is over, and another host takes it.
        #expect(eventually { !network.has(address) })
        let successor = network.startHold("--unless-held --no-verify \(prefix)", on: 2, taking: address)
        network.settle(address, on: 2, after: 1200)
        let witness = Witness(
            "ether src \(ClaimNetwork.mac(1)) and (arp or (icmp6 and ip6[40] = 136))", on: 3, of: network)
        holder.signal(SIGCONT)
        let end = holder.finish()
        kill(twin, SIGCONT)
        #expect(end.status == 1)
        #expect(end.errors.contains("longer than its lease; asking again"))
        #expect(end.errors.hasSuffix("qure-claim: \(address): held by \(ClaimNetwork.mac(2))\n"), "\(end.errors)")
        #expect(!network.has(address) && network.has(address, on: 2))
        // Never announced, nor answered for; a question about it is no claim.
        let said = witness.frames(address).filter { !$0.text.contains("tell 0.0.0.0") }
        #expect(said.isEmpty, "\(said)")
        #expect(successor.isRunning)
        #expect(network.claim("show \(address)", on: 2).output.contains(" conflicts 0 "))
    }

    @Test func `after a sleep without a successor it goes on`() throws {
        let holder = network.startHold("--no-verify --lease 500ms 10.9.0.50/24 fd09::50/64")
        let twin = try #require(ClaimNetwork.twin(of: holder))
        holder.signal(SIGSTOP)
        #expect(eventually { !network.has("10.9.0.50") && !network.has("fd09::50") })
        holder.signal(SIGCONT)
        #expect(holder.complains("asking again"))
        #expect(eventually { network.pings("10.9.0.50") && network.pings("fd09::50") })
        #expect(ClaimNetwork.twin(of: holder) != nil && twin > 0)
        #expect(holder.end().status == 0)
    }

    @Test func `a short sleep changes nothing`() {
        let holder = network.startHold("--no-verify --lease 20s 10.9.0.50/24")
        for _ in 0..<3 {
            holder.signal(SIGSTOP)
            let start = wallClock
            #expect(eventually { wallClock - start > 0.2 })
            holder.signal(SIGCONT)
        }
        #expect(network.pings("10.9.0.50"))
        #expect(holder.end().errors == "")
        #expect(!holder.output.contains("reinstated"))
    }
}
