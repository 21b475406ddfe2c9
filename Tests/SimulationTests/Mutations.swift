// The ways in which the election is broken on purpose, to see that the simulator notices (MutationTests). Each is a
// mistake that somebody could make. A patch replaces a piece of code that must stand in its file exactly once; in what
// takes its place `$` is true while this mutation is played and false otherwise, so that one executable has them all.

import Testing

/// One mistake.
struct Mutation: Sendable, CustomTestStringConvertible {
    /// Where it is made: the last part of the file's name, the code as it is, the code that knows the mistake.
    struct Patch: Sendable {
        let file: String
        let code: String
        let broken: String

        init(_ file: String, _ code: String, _ broken: String) {
            self.file = file
            self.code = code
            self.broken = broken
        }
    }

    let name: String
    let patches: [Patch]

    init(_ name: String, _ patches: Patch...) {
        self.name = name
        self.patches = patches
    }

    var testDescription: String { name }

    static let all: [Mutation] = [
        Mutation(
            "the term settles no duel",
            Patch(
                "ElectionTypes.swift", "(other.term, one.rank, one.node) < (one.term, other.rank, other.node)",
                "($ ? 0 : other.term, one.rank, one.node) < ($ ? 0 : one.term, other.rank, other.node)")),
        Mutation(
            "a master yields to nobody",
            Patch(
                "Succession.swift", "guard let mine = standing else { return [] }",
                "guard !$, let mine = standing else { return [] }")),
        Mutation(
            "a conflict of equal terms is ignored",
            Patch(
                "Succession.swift", "(isRival && theirs < mine)",
                "(isRival && theirs < mine && (!$ || message.term > mine.term))")),
        Mutation(
            "who yields does not withdraw",
            Patch(
                "Succession.swift", "let outputs = become(restingRole, reason: reason)",
                "let event = become(restingRole, reason: reason)\nlet outputs = $ ? [] : event")),
        Mutation(
            "a sequence that was heard is taken again",
            Patch(
                "Members.swift", "guard message.sequence > member.sequence else",
                "guard $ || message.sequence > member.sequence else")),
        Mutation(
            "a session that has proven nothing is believed",
            Patch(
                "Members.swift", "guard message.kind == .response, hasProven(message) else {\n                // Be",
                "guard $ || (message.kind == .response && hasProven(message)) else {\n// Be")),
        Mutation(
            "any nonce is proof",
            Patch("Challenging.swift", "return challenge.nonce == echo", "return ($ || challenge.nonce == echo)")),
        // Each alone leaves hardly anything to find; ElectionChallengeTests have them one by one.
        Mutation(
            "a nonce is proof for ever, whatever its node has answered since",
            Patch(
                "Challenging.swift", "arrival - challenge.since < Self.answerTime",
                "($ || arrival - challenge.since < Self.answerTime)"),
            Patch(
                "Challenging.swift", "|| now - challenge.since >= Self.answerTime / 2",
                "|| (!$ && now - challenge.since >= Self.answerTime / 2)"),
            Patch("Challenging.swift", "where challenge.node == node", "where !$ && challenge.node == node")),
        Mutation(
            "a claim takes no new term",
            Patch(
                "Succession.swift", "max(highestTerm, configuration.rememberedTerm, term) + 1",
                "max(highestTerm, configuration.rememberedTerm, term) + ($ ? 0 : 1)")),
        Mutation(
            "who is unhealthy stands by",
            Patch(
                "Election.swift", "var restingRole: Role { wantsMaintenance",
                "var restingRole: Role { $ ? .standby : wantsMaintenance")),
        Mutation(
            "a master that goes while one listens is waited for",
            Patch(
                "Election.swift", "timers[.suspicion] = timers[.suspicion] ?? now",
                "if !$ { timers[.suspicion] = timers[.suspicion] ?? now"),
            Patch(
                "Election.swift",
                "+ .microseconds(1)\n            return become(.standby, reason: nil) + hello(at: now)",
                "+ .microseconds(1) }\nreturn become(.standby, reason: nil) + hello(at: now)")),
        Mutation(
            "a claim does not wait for the tolerance",
            Patch(
                "Succession.swift", "master.livedAt + max(master.tolerance, configuration.tolerance)",
                "master.livedAt + ($ ? master.interval * 3 / 2 : max(master.tolerance, configuration.tolerance))")),
        Mutation(
            "the lease is longer than the tolerance",
            Patch(
                "Speaking.swift", "configuration.tolerance - max(configuration.tolerance / 10, .milliseconds(6))",
                "configuration.tolerance * ($ ? 5 : 4) / 4 - ($ ? .zero : max(configuration.tolerance / 10, "
                    + ".milliseconds(6)))")),
        Mutation(
            "a gap in time goes unnoticed",
            Patch(
                "Election.swift", "guard gap > lease else { return nil }",
                "guard !$, gap > lease else { return nil }")),
        Mutation(
            "a member that did not run takes that for silence",
            Patch(
                "Election.swift", "master?.livedAt = max(known.livedAt, now - known.interval)",
                "if !$ { master?.livedAt = max(known.livedAt, now - known.interval) }")),
        Mutation(
            "sleep goes unnoticed",
            Patch(
                "Election.swift", "return quarantine(\"slept-\\(time.milliseconds)ms\", at: now)",
                "return $ ? [] : quarantine(\"slept-\\(time.milliseconds)ms\", at: now)")),
        Mutation(
            "a silence is judged before the queue is read",
            Patch(
                "Faults.swift", "while hosts[index].state == .running, !hosts[index].waiting.isEmpty {",
                "if $ { step(index, .deadlinePassed) }\n"
                    + "while hosts[index].state == .running, !hosts[index].waiting.isEmpty {")),
        Mutation(
            "a restored copy does not see that it is one",
            Patch("Members.swift", "mine.session == configuration.session, mine.sequence > sequence",
                "!$, mine.session == configuration.session, mine.sequence > sequence")),
        Mutation(
            "a copy of the master's machine deposes it",
            Patch(
                "Members.swift", "master?.isGone = false\n            } else if known",
                "master?.isGone = $ && known.isGone\n} else if known"),
            Patch(
                "Members.swift", "if message.session == master?.replacedSession {",
                "if !$, message.session == master?.replacedSession {")),
        Mutation(
            "two machines keep one number",
            Patch(
                "Members.swift", "guard configuration.session < message.session else { return [] }",
                "guard !$, configuration.session < message.session else { return [] }")),
        Mutation(
            "hearsay keeps a dead master alive",
            Patch(
                "Succession.swift", "now - known.heardAt <= known.interval,",
                "now - ($ ? known.livedAt : known.heardAt) <= known.interval,"),
            Patch("Succession.swift", "arrival - heard.age)", "$ ? arrival : arrival - heard.age)")),
        Mutation(
            "the heir acknowledges an address that it does not have",
            Patch("Inheriting.swift", "{ isAddressPresent ? acknow", "{ $ || isAddressPresent ? acknow"),
            Patch("Inheriting.swift", "if isAddressPresent { timers", "if $ || isAddressPresent { timers")),
        Mutation(
            "the heir speaks before it has the address",
            Patch(
                "Inheriting.swift", "var isQuietHeir: Bool { inheritance",
                "var isQuietHeir: Bool { !$ && inheritance")),
        Mutation(
            "the heir answers the old master's heartbeat before it has the address",
            Patch(
                "Succession.swift", "return message.term > old.term ? endQuiet(at: now) : []",
                "return $ || message.term > old.term ? endQuiet(at: now) : []")),
        Mutation(
            "what a session has said is forgotten when its member goes",
            Patch(
                "Members.swift", "lastWords.append(LastWord(session: member.session, sequence: member.sequence))",
                "if !$ { lastWords.append(LastWord(session: member.session, sequence: member.sequence)) }")),
        Mutation(
            "who has handed over keeps the address",
            Patch(
                "Mastery.swift",
                ".preempted, .evidence: outputs += become(restingRole, reason: why.reason)",
                ".preempted, .evidence:\nlet said = become(restingRole, reason: why.reason)\n"
                    + "outputs += $ ? [] : said")),
        Mutation(
            "a master without the address stays master",
            Patch(
                "Mastery.swift", "guard isMaster, !isAddressPresent else { return [] }",
                "guard !$, isMaster, !isAddressPresent else { return [] }")),
        Mutation(
            "a claim needs no sign of the gateway",
            Patch("Succession.swift", "guard hasEvidence(at: now) else {", "guard $ || hasEvidence(at: now) else {")),
        Mutation(
            "a stranger's address is taken",
            Patch("Election.swift", "if let stranger, master == nil {", "if !$, let stranger, master == nil {"),
            Patch(
                "Succession.swift", "if stranger != nil, master == nil {", "if !$, stranger != nil, master == nil {")),
        Mutation(
            "unproven messages put a claim off for ever",
            Patch(
                "Succession.swift", "postponed.used + (wanted - due) <= configuration.tolerance * 2",
                "$ || postponed.used + (wanted - due) <= configuration.tolerance * 2")),
        Mutation(
            "a heartbeat is repeated whatever was heard",
            Patch(
                "Election.swift", "if !input.leavesHeartbeat { repeatableUntil = nil }",
                "if !$, !input.leavesHeartbeat { repeatableUntil = nil }")),
        Mutation(
            "a heartbeat is repeated whoever has gone",
            Patch("Repeating.swift", "now < calm.end, let due", "$ || now < calm.end, let due"),
            Patch("Members.swift", "        repeatableUntil = nil\n", "        if !$ { repeatableUntil = nil }\n")),
        Mutation(
            "what a heartbeat has found to be done outlives what happens",
            Patch("Election.swift", "        calm = nil\n", "        if !$ { calm = nil }\n")),
        Mutation(
            "who repeats a heartbeat forgets what else is due",
            Patch("Repeating.swift", "turn: earlier(change, look", "turn: earlier($ ? nil : change, look")),
        Mutation(
            "hellos follow each other without a pause",
            Patch(
                "Speaking.swift", "timers[.hello] = now + helloInterval",
                "timers[.hello] = now + ($ ? .zero : helloInterval)")),
    ]
}
