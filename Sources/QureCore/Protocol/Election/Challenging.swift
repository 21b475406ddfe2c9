// Challenging: how a session proves that it lives: it answers a nonce of ours, within a second. What one session of a
// node has answered, or was believed for, is no nonce of another one any more: an answer that was lost on its way here,
// and recorded, is no proof when it is played later.

extension Election {
    /// What a session was asked to prove.
    struct Challenge: Sendable {
        /// Whose session it is.
        var node: NodeID
        /// What it is to answer with; nil: the node has, as another session.
        var nonce: UInt64?
        /// When the nonce was first said.
        var since: Instant
        /// When it was last said.
        var at: Instant
    }

    /// From one challenge of a session to the next.
    static let challengeInterval = Duration.milliseconds(20)
    /// How long a nonce can be answered; a second question in the first half of that time repeats it.
    static let answerTime = Duration.seconds(1)
    static let maximumChallenges = 128

    /// Asks who is not the session that is believed to prove that it lives.
    mutating func challengeIfUnknown(
        _ message: ElectionMessage, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        if members[message.node]?.session == message.session { return [] }
        _ = disbelieve("unproven-session")
        return challenge(message, at: now, using: &random)
    }

    /// Asks the session of a message to prove that it lives; not too often, and not for too many at once.
    mutating func challenge(
        _ message: ElectionMessage, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        var challenge = challenges[message.session] ?? Challenge(node: message.node, nonce: nil, since: now, at: now)
        if challenges[message.session] != nil {
            if now - challenge.at < Self.challengeInterval { return [] }
        } else if challenges.count >= Self.maximumChallenges {
            challenges = challenges.filter { now - $0.value.since < Self.answerTime }
            guard challenges.count < Self.maximumChallenges else { return disbelieve("too-many-sessions") }
        }
        if challenge.nonce == nil || now - challenge.since >= Self.answerTime / 2 {
            (challenge.nonce, challenge.since) = (random.next(), now)
        }
        challenge.at = now
        challenges[message.session] = challenge
        var question = self.message(.challenge, at: now)
        question.nonce = challenge.nonce
        return [.send(question, to: .sender)]
    }

    /// Whether a response proves that its session lives.
    func hasProven(_ message: ElectionMessage) -> Bool {
        guard let echo = message.echo, let challenge = challenges[message.session] else { return false }
        return challenge.nonce == echo && arrival - challenge.since < Self.answerTime
    }

    /// The node that was asked as one session answers as another one by now: nobody is left to answer for the first.
    mutating func noteAnswer(_ message: ElectionMessage) {
        guard message.kind == .response, let echo = message.echo else { return }
        let isAnother = challenges.contains { session, challenge in
            challenge.nonce == echo && challenge.node == message.node && session != message.session
        }
        if isAnother { forgetNonces(of: message.node, besides: message.session) }
    }

    /// Nothing that other sessions of this node were asked proves anything any more.
    mutating func forgetNonces(of node: NodeID, besides session: UInt64) {
        for (other, challenge) in challenges where challenge.node == node && other != session {
            challenges[other]?.nonce = nil
        }
    }
}
