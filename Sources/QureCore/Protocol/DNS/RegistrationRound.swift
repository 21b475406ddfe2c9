// A round of Registration: what the authority's answers lead to. It compares, plans, and judges what became of an
// update.

extension Registration {
    mutating func take(
        _ message: DNSMessage, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        switch state {
        case .reading(var view, let plan):
            do throws(RegistrationTrouble) { try view.take(message) } catch {
                return fail(error, at: now, using: &random)
            }
            if let query = view.query {
                state = .reading(view, after: plan)
                return exchange(query)
            }
            if let plan { return judge(plan, view, at: now, using: &random) }
            return compare(view, at: now, using: &random)
        case .updating(let plan):
            return take(message.responseCode, of: plan, message, at: now, using: &random)
        case .sweeping(let sweep): return take(message, sweep, at: now, using: &random)
        default: return []
        }
    }

    /// What the server said to an update.
    private mutating func take(
        _ code: DNSResponseCode, of plan: RegistrationPlan, _ message: DNSMessage, at now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> [Output] {
        switch code {
        case .noError: return noteLease(message, at: now, using: &random) + read(after: plan)
        case .nameError, .nameExists, .setExists, .setMissing:
            // Either somebody was faster, or a copy of this very update was: the marker will tell.
            conflicts += 1
            guard conflicts <= Self.retries else { return fail(.contention, at: now, using: &random) }
            return read(after: nil)
        case .notInZone where !hasSearchedAgain:
            hasSearchedAgain = true
            zone = nil
            return search()
        case .notAuthorized where message.signature != nil:
            // The key is good, or the answer would not be signed: it is the zone (RFC 2136 section 3.1.2).
            return fail(zone.map { .notServed($0) } ?? .notAuthority, at: now, using: &random)
        case .refused, .notAuthorized:
            return fail(.refused(code, isSigned: message.signature != nil), at: now, using: &random)
        case .notInZone: return fail(.notAuthority, at: now, using: &random)
        default:
            return fail(.temporary("it answers \(code) to an update"), at: now, using: &random)
        }
    }

    /// Takes what the server says of the lease that it was asked for; tells it where that is another one than before.
    private mutating func noteLease(
        _ answer: DNSMessage, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        guard doing == .register, configuration.lease != nil else { return [] }
        let before = granted
        var grant = Grant()
        if let seconds = answer.edns?.updateLease?.lease, seconds > 0 {
            let lease = min(max(.seconds(Int64(seconds)), Self.leases.lowerBound), Self.leases.upperBound)
            // RFC 9664 section 5.2: at four fifths of it, and up to a twentieth later.
            grant.renewBy = now + lease * Double.random(in: 0.8...0.85, using: &random)
            grant.lease = lease
        }
        granted = grant
        let isNew = before.map { $0.lease != grant.lease } ?? true
        return isNew ? [.report(.serverLease(grant.lease))] : []
    }

    /// What there is to do, now that the authority has said what it holds.
    private mutating func compare(
        _ view: AuthorityView, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        if configuration.isSole {
            keep(view.addresses.keys)
            let wanted = doing == .register ? addresses : []
            let plan = RegistrationPlan.replaceAll(
                view, configuration.names.name, with: wanted, ttl: configuration.ttl)
            return execute(plan, view, at: now, using: &random)
        }
        guard view.markers.isEmpty || view.marker != nil else {
            return fail(.foreignMarker(configuration.names.marker), at: now, using: &random)
        }
        if let marker = view.marker, marker.machine != configuration.machine,
            !marker.isOver(at: view.serverTime)
        {
            if doing == .withdraw, configuration.stays {
                return report(.takenOver(by: marker.machine), at: now, &random)
            }
            guard configuration.adopts else {
                return fail(.otherMachine(marker.machine), at: now, using: &random)
            }
        } else if let marker = view.marker, isStrange(marker) {
            // It is taken for the truth the next time.
            known = marker
            return fail(.duplicate, at: now, using: &random)
        }
        if let blindness, view.marker?.machine != configuration.machine || view.marker?.addresses.isEmpty != false {
            // There is nothing left to hold, and nothing is known to put there.
            return fail(blindness, at: now, using: &random)
        }
        var view = view
        let marker = view.marker
        keep(marker?.addresses ?? [])
        let going = doing == .withdraw ? marker?.addresses ?? [] : []
        let doubtful = RegistrationPlan.questionable(view, addresses, ttl: configuration.ttl)
        view.askForClaims(doing == .withdraw ? going : doubtful)
        if let query = view.query {
            state = .reading(view, after: nil)
            return exchange(query)
        }
        return execute(plan(view, at: now, using: &random), view, at: now, using: &random)
    }

    /// Whether a marker is this machine's and yet not what this process has left there.
    private func isStrange(_ marker: SiteMarker) -> Bool {
        guard let known, marker != known, marker != attempted else { return false }
        return !marker.addresses.isEmpty && marker.addresses != addresses
    }

    private func plan(
        _ view: AuthorityView, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> RegistrationPlan {
        let nonce = UInt64.random(in: .min ... .max, using: &random)
        var marker = SiteMarker(machine: configuration.machine, nonce: nonce, addresses: [])
        if doing == .withdraw {
            return .withdraw(
                view, configuration.names, leaving: configuration.forgets ? nil : marker,
                ttl: configuration.ttl)
        }
        marker.addresses = addresses
        if let lease = configuration.lease, let time = view.serverTime {
            marker.until = time + UInt64(clamping: lease.components.seconds)
        }
        // What an earlier process was granted nobody knows: one that stays has it said anew.
        let isUnknown = granted == nil && configuration.stays && configuration.lease != nil
        let isGrantDue = granted?.renewBy.map { $0 <= now } ?? isUnknown
        return .replace(
            view, configuration.names, with: marker, ttl: configuration.ttl, isForced: isGrantDue || isDue(view),
            repeats: isUnknown || granted?.lease != nil)
    }

    /// Whether the marker is to be written anew although the addresses are the same.
    private func isDue(_ view: AuthorityView) -> Bool {
        guard let present = view.marker else { return true }
        guard present.machine == configuration.machine else { return true }
        guard let lease = configuration.lease else { return present.until != nil }
        guard let until = present.until, let time = view.serverTime else { return true }
        // Who comes by only now and then does not know when the next time is.
        let seconds = UInt64(clamping: lease.components.seconds)
        return until < time + (configuration.stays ? max(seconds * 3 / 10, Self.longestShortReserve) : seconds * 9 / 10)
    }

    private mutating func execute(
        _ plan: RegistrationPlan, _ view: AuthorityView, at now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> [Output] {
        guard !plan.isEmpty, let zone else { return finish(nil, view, at: now, using: &random) }
        state = .updating(plan)
        attempted = plan.marker
        return exchange(plan.message(zone: zone, lease: doing == .register ? configuration.lease : nil))
    }

    /// Whether an update has done what it should, now that the authority has been asked again.
    private mutating func judge(
        _ plan: RegistrationPlan, _ view: AuthorityView, at now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> [Output] {
        if !configuration.isSole {
            guard view.marker == plan.marker else {
                // Somebody was faster with the next change: that one is to be looked at.
                conflicts += 1
                guard conflicts <= Self.retries else { return fail(.contention, at: now, using: &random) }
                return compare(view, at: now, using: &random)
            }
        }
        let wanted = doing == .withdraw ? [] : plan.marker?.addresses ?? addresses
        let missing = wanted.filter { view.addresses[$0] == nil }
        guard missing.isEmpty else { return fail(.vanished(missing), at: now, using: &random) }
        return finish(plan, view, at: now, using: &random)
    }

    /// All is as it should be; `plan` has made it so, if anything had to be done.
    private mutating func finish(
        _ plan: RegistrationPlan?, _ view: AuthorityView, at now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> [Output] {
        known = view.marker
        leaseLeft = view.marker?.until.flatMap { until in
            view.serverTime.map { .seconds(Int64(clamping: until) - Int64(clamping: $0)) }
        }
        guard doing == .register else {
            return report(.withdrawn(plan?.removed ?? []), at: now, &random)
        }
        if let blindness {
            planRenewal(at: now, using: &random)
            let held: [Output] = plan == nil ? [] : [.report(.held(addresses))]
            return held + fail(blindness, at: now, using: &random)
        }
        var outputs: [Output] = [
            .report(.current(addresses, added: plan?.added ?? [], removed: plan?.removed ?? []))
        ]
        let ttl = addresses.compactMap { view.addresses[$0] }.first { $0 != configuration.ttl }
        if let ttl, toldTTL != ttl { outputs.append(.report(.otherTTL(ttl))) }
        toldTTL = ttl
        let others = view.addresses.keys.filter { !addresses.contains($0) }.sorted()
        guard let lease = configuration.lease, view.serverTime != nil, !others.isEmpty,
            sweepBy.map({ $0 <= now }) ?? true
        else { return outputs + rest(at: now, using: &random) }
        sweepBy = now + lease / Self.sweepsInLease
        return outputs + sweep(Array(others.prefix(Sweep.limit)), at: now, using: &random)
    }

    private mutating func report(
        _ report: Report, at now: Instant, _ random: inout some RandomNumberGenerator
    ) -> [Output] {
        known = nil
        return [.report(report)] + rest(at: now, using: &random)
    }
}
