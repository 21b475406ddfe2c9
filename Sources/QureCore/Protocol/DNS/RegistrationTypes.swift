// What goes into a Registration and comes out of it: what has happened, what is to be done, what users are told.

extension Registration {
    /// What happened.
    package enum Input: Equatable, Sendable {
        /// The site's addresses are to be under the name.
        case register
        /// They are not to be.
        case withdraw
        /// The site's addresses, at least one; of the families that are to be kept nothing is known, and what is there
        /// of them stays.
        case observed([IPAddress], keeping: Set<AddressFamily>)
        /// Something about them may have changed.
        case recheck
        /// Everything is to be asked again, now, whatever was known or is waited for.
        case lookAgain
        /// The zone and its servers are known.
        case found(zone: DomainName)
        /// An answer that is to be believed.
        case answer(DNSMessage)
        /// The server has proved that its clock differs: the time there and here, in seconds since 1970.
        case clock(server: UInt64, own: UInt64)
        case trouble(RegistrationTrouble)
        case deadlinePassed
    }

    /// What to do.
    package enum Output: Equatable, Sendable {
        /// Find out the site's addresses, then `observed` or `trouble`.
        case observe
        /// Find the zone and its servers, then `found` or `trouble`.
        case find
        /// Send this to the authority, then `answer`, `clock` or `trouble`.
        case exchange(DNSMessage)
        /// Add this to the clock, for signatures.
        case setClock(offset: Int64)
        case report(Report)
        /// Nothing more will come; nil: as wanted.
        case ended(RegistrationTrouble?)
    }

    /// What users are told.
    package enum Report: Equatable, Sendable {
        /// The authority has the site's addresses; what went and came, if anything did.
        case current([IPAddress], added: [IPAddress], removed: [IPAddress])
        /// It has none of the site's any more, and had these.
        case withdrawn([IPAddress])
        /// Another machine has taken the site over: there is nothing to withdraw.
        case takenOver(by: NodeID)
        /// The lease of what the site holds has been renewed, though its sources say nothing.
        case held([IPAddress])
        /// The addresses of a site whose lease is over are gone.
        case swept(site: String, [IPAddress])
        /// The server itself forgets the records after this time unless they are told again; nil: it does not, and only
        /// other sites can take them off.
        case serverLease(Duration?)
        /// Other sites' records have this time to live, which is kept.
        case otherTTL(UInt32)
        case clockOffset(Int64)
        /// What stands in the way, and when it is tried again, if it is.
        case trouble(RegistrationTrouble, retryIn: Duration?)
    }
}
