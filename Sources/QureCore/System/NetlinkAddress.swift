// The addresses on this host's interfaces: listing, putting there with a lifetime and a mark of who did, taking off.
// A lifetime makes the kernel take an address off by itself if nobody renews it: N to N+1 seconds after the last time.
// The mark (IFA_PROTO, Linux 5.18) tells qure-claim which addresses are its own; older kernels pass over it.

import CNetlink
import Glibc

/// Who puts addresses on interfaces (IFA_PROTO). The kernel's own numbers are 1 to 3.
package enum AddressOrigin {
    /// qure-claim: ASCII Q, which later iproute2 shows as `proto 0x51`.
    package static let qure: UInt8 = 0x51
}

/// An address on an interface.
package struct InterfaceAddress: Equatable, Sendable {
    /// The address, with the length of its network.
    package var prefix: Prefix
    /// The index of its interface.
    package var interface: Int
    /// `eth0` or `eth0:something`; IPv4 only.
    package var label: String?
    /// IPv6: not usable yet, duplicate address detection is under way (or has failed).
    package var isTentative: Bool
    /// IPv6: another host has it, as duplicate address detection found.
    package var hasFailedDAD: Bool
    /// IPv4: a second address in the network of another one, which takes it along when deleted unless
    /// `promote_secondaries` is set.
    package var isSecondary: Bool
    /// IPv6: one of the changing ones of RFC 8981.
    package var isTemporary: Bool
    /// Whether its preferred lifetime is over, so that new connections do not start from it.
    package var isDeprecated: Bool
    /// Whether the kernel made a route to its network when it came (not NOPREFIXROUTE).
    package var hasPrefixRoute: Bool
    /// What is left until the kernel removes it, in whole seconds; nil: it stays.
    package var validLifetime: Duration?
    /// What is left until it is deprecated, in whole seconds; nil: for ever.
    package var preferredLifetime: Duration?
    /// Who put it there (IFA_PROTO); nil where nobody said, or the kernel does not know of it.
    package var origin: UInt8?
}

extension InterfaceAddress {
    /// The address of an RTM_NEWADDR or RTM_DELADDR.
    init?(_ message: NetlinkMessage) {
        guard let header = message.fixed(as: ifaddrmsg.self) else { return nil }
        let attributes = message.attributes(after: ifaddrmsg.self)
        // IFA_ADDRESS is the other end's on a point-to-point interface; IPv6 sends IFA_LOCAL only there.
        guard let address = attributes.address(IFA_LOCAL) ?? attributes.address(IFA_ADDRESS),
            let prefix = Prefix(address, length: Int(header.ifa_prefixlen))
        else { return nil }
        let flags = attributes.load(IFA_FLAGS, as: UInt32.self) ?? UInt32(header.ifa_flags)
        func has(_ flag: Int32) -> Bool { flags & UInt32(flag) != 0 }
        let isIPv6 = header.ifa_family == UInt8(AF_INET6)
        self.prefix = prefix
        interface = Int(header.ifa_index)
        label = attributes.text(IFA_LABEL)
        isTentative = has(IFA_F_TENTATIVE)
        hasFailedDAD = has(IFA_F_DADFAILED)
        isSecondary = !isIPv6 && has(IFA_F_SECONDARY)
        isTemporary = isIPv6 && has(IFA_F_TEMPORARY)
        isDeprecated = has(IFA_F_DEPRECATED)
        hasPrefixRoute = !has(IFA_F_NOPREFIXROUTE)
        let lifetimes = attributes.load(IFA_CACHEINFO, as: ifa_cacheinfo.self)
        validLifetime = Self.duration(lifetimes?.ifa_valid)
        preferredLifetime = Self.duration(lifetimes?.ifa_prefered)
        origin = attributes.load(QURE_IFA_PROTO, as: UInt8.self).flatMap { $0 == 0 ? nil : $0 }
    }

    private static func duration(_ seconds: UInt32?) -> Duration? {
        seconds.flatMap { $0 == .max ? nil : .seconds(Int64($0)) }
    }
}

/// An address to be put on an interface.
package struct AddressRequest: Equatable, Sendable {
    /// The address, with the length of its network.
    package var prefix: Prefix
    /// The index of the interface.
    package var interface: Int
    /// IPv4: a label of at most 15 bytes, beginning with the interface's name for ifconfig's sake; else ignored.
    package var label: String?
    /// After how long the kernel removes it unless it is set again; whole seconds, others are rounded up. nil: never.
    package var validLifetime: Duration?
    /// Whether the kernel makes a route to its network.
    package var hasPrefixRoute: Bool
    /// IPv6: whether it can be used at once, without duplicate address detection (1.6 s). Else ignored.
    package var skipsDAD: Bool
    /// Who puts it there (IFA_PROTO), not 0.
    package var origin: UInt8

    /// Puts `prefix` on the interface of index `interface`; by default for ever, with a route, with detection.
    package init(
        prefix: Prefix, interface: Int, label: String? = nil, validLifetime: Duration? = nil,
        hasPrefixRoute: Bool = true, skipsDAD: Bool = false, origin: UInt8
    ) {
        self.prefix = prefix
        self.interface = interface
        self.label = label
        self.validLifetime = validLifetime
        self.hasPrefixRoute = hasPrefixRoute
        self.skipsDAD = skipsDAD
        self.origin = origin
    }

    fileprivate var flags: UInt32 {
        var flags: Int32 = hasPrefixRoute ? 0 : IFA_F_NOPREFIXROUTE
        if skipsDAD, prefix.address.family == UInt8(AF_INET6) { flags |= IFA_F_NODAD }
        return UInt32(flags)
    }

    /// Both lifetimes are always said: an address that is renewed would otherwise keep an old preferred one.
    fileprivate var lifetimes: ifa_cacheinfo {
        var seconds = UInt32.max
        if let validLifetime {
            let (whole, rest) = validLifetime.components
            seconds = UInt32(clamping: max(whole + (rest > 0 ? 1 : 0), 1))
        }
        return ifa_cacheinfo(ifa_prefered: seconds, ifa_valid: seconds, cstamp: 0, tstamp: 0)
    }
}

extension Netlink {
    /// Whether this kernel keeps who put an address there (IFA_PROTO, Linux 5.18).
    package static let knowsOrigins: Bool = {
        var names = utsname()
        guard unsafe uname(&names) == 0 else { return false }
        let release = unsafe withUnsafeBytes(of: names.release) {
            unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
        let numbers = release.split(whereSeparator: { !$0.isNumber }).prefix(2).compactMap { Int($0) }
        return numbers.count == 2 && (numbers[0], numbers[1]) >= (5, 18)
    }()

    /// The addresses of this host, of one interface if `index` is given; in the kernel's order, IPv4 first.
    package mutating func addresses(on index: Int? = nil) throws(SystemError) -> [InterfaceAddress] {
        let messages = try dump(RTM_GETADDR, fixed: ifaddrmsg(), called: "list addresses")
        return messages.compactMap { InterfaceAddress($0) }.filter { index == nil || $0.interface == index }
    }

    /// Puts an address on an interface, or renews lifetime and origin of one that is there. What stays as it was
    /// then: an IPv4 address's label and route, an IPv6 address's prefix length and a failed duplicate detection.
    /// Like `ip address add`, it sets no broadcast address: the kernel's own rules do for the network's last one.
    /// Errors: EPERM, ENODEV, EINVAL for what is no host's address, EACCES where IPv6 is off on the interface.
    package mutating func setAddress(_ request: AddressRequest) throws(SystemError) {
        let message = Self.addressRequest(
            RTM_NEWADDR, request.prefix, request.interface, flags: NLM_F_CREATE | NLM_F_REPLACE)
        if let label = request.label, case .v4 = request.prefix.address { message.put(IFA_LABEL, label) }
        message.put(IFA_FLAGS, request.flags)
        message.put(IFA_CACHEINFO, structure: request.lifetimes)
        message.put(QURE_IFA_PROTO, request.origin)
        do {
            _ = try exchange(message)
        } catch {
            throw named("add address", request.prefix, request.interface, error)
        }
    }

    /// Takes an address off an interface; false if it was not there with this prefix length. Errors: EPERM, ENODEV.
    @discardableResult
    package mutating func removeAddress(_ prefix: Prefix, interface: Int) throws(SystemError) -> Bool {
        do {
            _ = try exchange(Self.addressRequest(RTM_DELADDR, prefix, interface))
            return true
        } catch where error.errno == .addressNotAvailable {
            return false
        } catch {
            throw named("remove address", prefix, interface, error)
        }
    }

    /// The request that takes the address off, complete and asking for no answer: for the guard process, which
    /// sends it when its parent is gone (qure_fork_guard).
    package static func removalMessage(prefix: Prefix, interface: Int) -> [UInt8] {
        addressRequest(RTM_DELADDR, prefix, interface).bytes()
    }

    /// The error with the interface's name in it: `add address 192.168.1.11/24 eth0: …`. The name is looked up only
    /// now, because an address that moves must not wait for it.
    private mutating func named(
        _ call: String, _ prefix: Prefix, _ interface: Int, _ error: SystemError
    ) -> SystemError {
        let link = try? link(index: interface)
        return SystemError(call, "\(prefix) \(link?.name ?? "interface \(interface)")", errno: error.errno)
    }

    private static func addressRequest(
        _ type: Int, _ prefix: Prefix, _ interface: Int, flags: Int32 = 0
    ) -> NetlinkRequest {
        var header = ifaddrmsg()
        header.ifa_family = prefix.address.family
        header.ifa_prefixlen = UInt8(prefix.length)
        header.ifa_scope = UInt8((prefix.address.isLoopback ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE).rawValue)
        header.ifa_index = UInt32(clamping: interface)
        let request = NetlinkRequest(type, flags: flags, fixed: header, call: "change address")
        request.put(IFA_LOCAL, bytes: prefix.address.octets)
        request.put(IFA_ADDRESS, bytes: prefix.address.octets)
        return request
    }
}
