// What tells of the machine's own doings: ACPI's events by generic netlink, the kernel's log, the hardware's clock. Not
// every machine has them; what they say is read from bytes here, and that they are missing must be a plain answer. And
// what the service manager's watchdog is told.

import CLinux
import Glibc
import Lab
import QureCore
import Testing

@Suite struct NoticeTests {
    /// A message of acpi_event as the kernel lays it out (nlmsghdr, genlmsghdr, attribute, struct acpi_genl_event).
    private static func event(
        _ deviceClass: String, _ device: String, type: UInt32, count: UInt32, family: UInt16 = 0x1c
    ) -> [UInt8] {
        func little(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
        func text(_ text: String, _ size: Int) -> [UInt8] {
            Array(text.utf8) + [UInt8](repeating: 0, count: size - text.utf8.count)
        }
        let event = text(deviceClass, 20) + text(device, 15) + [0] + little(type) + little(count)
        let attribute = [48, 0, 1, 0] + event
        let header = little(16 + 4 + 48) + [UInt8(family & 0xff), UInt8(family >> 8), 0, 0] + little(7) + little(0)
        return header + [1, 1, 0, 0] + attribute
    }

    @Test func `the power button among other events`() throws {
        let pressed = Self.event("button/power", "LNXPWRBN:00", type: 0x80, count: 3)
        let events = ACPIEvent.events(
            in: Self.event("ac_adapter", "ACPI0003:00", type: 0x80, count: 1) + pressed
                + Self.event("button/power", "LNXPWRBN:00", type: 2, count: 1), of: 0x1c)
        #expect(events.map(\.isPowerButton) == [false, true, false])
        #expect(events[1].device == "LNXPWRBN:00" && events[1].count == 3)
        #expect(ACPIEvent.events(in: pressed, of: 0x1d).isEmpty)
        // Another command of the family, and a text that fills its place.
        var other = pressed
        other[16] = 2
        #expect(ACPIEvent.events(in: other, of: 0x1c).isEmpty)
        let full = Self.event("aaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbb", type: 1, count: 2)
        let event = try #require(ACPIEvent.events(in: full, of: 0x1c).first)
        #expect(event.deviceClass.count == 20 && event.device.count == 15)
    }

    @Test func `a damaged event is none, and never a trap`() {
        let pressed = Self.event("button/power", "LNXPWRBN:00", type: 0x80, count: 3)
        for length in 0..<pressed.count {
            #expect(ACPIEvent.events(in: Array(pressed.prefix(length)), of: 0x1c).isEmpty)
        }
        for index in pressed.indices {
            for value in [0, 1, 0x7f, 0xff] as [UInt8] {
                var damaged = pressed
                damaged[index] = value
                _ = ACPIEvent.events(in: damaged, of: 0x1c)
            }
        }
    }

    @Test func `families of generic netlink are found by name, and one that is not there is absent`() throws {
        // The family by which the others are found is always there.
        let control = try #require(try GenericFamily(named: "nlctrl"))
        #expect(control.number == 0x10 && control.groups["notify"] == 0x10)
        #expect(try GenericFamily(named: "no-such-family") == nil)
        let isThere = try GenericFamily(named: "acpi_event") != nil
        let monitor = try ACPIMonitor()
        #expect((monitor != nil) == isThere)
        #expect(monitor?.read().isEmpty ?? true)
    }

    @Test func `a clock that is not there is absent, one that is tells its time`() {
        if HardwareClock("/nonexistent") != nil { Issue.record("a clock from nowhere") }
        let path = shell("mktemp").output.filter { $0 != "\n" }
        defer { unlink(path) }
        guard let clock = HardwareClock(path) else {
            Issue.record("no clock")
            return
        }
        let times: [(String, Int64?)] = [("1764000000\n", 1_764_000_000), ("17\n", 17), ("x\n", nil), ("", nil)]
        for (text, value) in times {
            shell("printf '\(text)' > \(path)")
            #expect(clock.read() == value)
        }
    }

    @Test(arguments: [
        ("5,1,2,-;random: crng reseeded due to virtual machine fork\n", true),
        ("5,1,2,-,caller=T1;random: crng reseeded due to virtual machine fork", true),
        // What a program writes there is not the kernel's word.
        ("13,1,2,-;random: crng reseeded due to virtual machine fork\n", false),
        ("5,1,2,-;eth0: renamed\n", false), ("", false), (";", false), ("-5,1;crng", false), ("x", false),
        ("99999999999999999999,1;x", false),
    ])
    func `the kernel's word of a copied machine`(_ record: String, _ tells: Bool) {
        #expect((KernelLogRecord(Array(record.utf8))?.tellsOfFork ?? false) == tells)
    }

    private static let mayReadLog = KernelLog() != nil && access("/dev/kmsg", W_OK) == 0

    @Test(.enabled(if: mayReadLog, "needs the kernel's log (CAP_SYSLOG)"))
    func `the kernel's log begins with what is said from now on, and programs are not the kernel`() throws {
        if KernelLog("/nonexistent") != nil { Issue.record("a log from nowhere") }
        let mark = "test \(UInt32.random(in: 0 ... .max)): crng reseeded due to virtual machine fork"
        try TextFile.write("\(mark) (before)\n", to: "/dev/kmsg")
        guard let log = KernelLog() else {
            Issue.record("no log")
            return
        }
        try TextFile.write("\(mark)\n", to: "/dev/kmsg")
        var records: [KernelLogRecord] = []
        #expect(eventually { records += log.read().filter { $0.text.contains(mark) }; return !records.isEmpty })
        #expect(records.map(\.text) == [mark] && !records[0].tellsOfFork, "\(records)")
    }

    @Test func `the watchdog hears of a service that is well, and only of that`() async {
        await #expect(processExitsWith: .success) {
            let path = shell("mktemp -u").output.filter { $0 != "\n" }
            let listener = try ServiceListener(path)
            defer { unlink(path) }
            let start = Instant(nanoseconds: 1_000_000_000)
            var none = Watchdog(ServiceManager(), at: start)
            none.turn(at: start + .seconds(60))
            try #require(none.nextDeadline == nil)
            setenv("NOTIFY_SOCKET", path, 1)
            setenv("WATCHDOG_USEC", "2000000", 1)
            var watchdog = Watchdog(ServiceManager(), at: start)
            try #require(watchdog.nextDeadline == start + .seconds(1))
            watchdog.turn(at: start + .milliseconds(999))
            watchdog.turn(at: start + .seconds(1), isWell: false)
            try #require(listener.messages == [] && watchdog.nextDeadline == start + .milliseconds(1250))
            watchdog.turn(at: start + .milliseconds(1250))
            try #require(listener.messages == ["WATCHDOG=1"])
            try #require(watchdog.nextDeadline == start + .milliseconds(2250))
        }
    }
}
