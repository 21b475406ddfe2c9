// HandingOver: what became of a hand-over, for the journal and for whoever has asked for it over the control socket. An
// heir may be asked and never take over: what is said then is not what was meant.

import QureCore

extension ElectSession {
    /// A hand-over is over: says how.
    func tellHandOver() {
        if election.role == .master {
            diagnostics.say(.warning, "\(heirName) did not take over: still master")
        } else if masterNow != nil {
            diagnostics.say(.notice, "handed over: \(told.lastReason)")
        } else if illness == Health.linkReason || illness == Health.addressReason {
            // Others may well have: nothing of it comes here, or nothing is asked from here.
            diagnostics.say(.warning, "given up: \(told.lastReason); whoever takes over is not heard here")
        } else {
            diagnostics.say(.warning, "given up: \(told.lastReason); nobody took over")
        }
        control.settle(handOverAnswer)
    }

    /// What is answered to whoever asked for the hand-over that is over.
    func handOverAnswer(_ request: ControlRequest) -> [String] {
        if election.role == .master { return ["no \(heirName) did not take over: this member is still master"] }
        if masterNow != nil { return ["done"] }
        // Who asked for maintenance has it.
        return [request == .resign ? "no nobody took over" : "note nobody took over the address"]
    }

    private var heirName: String { told.heir.map(name) ?? "the first successor" }
}
