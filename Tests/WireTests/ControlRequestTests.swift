// What is asked over the control socket of an elector: whole, in pieces, too long, and what is no request.

import QureCore
import Testing

@Suite struct ControlRequestTests {
    @Test(arguments: ControlRequest.all)
    func `a request reads as it was written, when its line has ended`(_ request: ControlRequest) {
        let line = Array("\(request)\n".utf8)
        #expect(ControlRequest.read(line) == .request(request))
        for count in 0..<line.count { #expect(ControlRequest.read(Array(line.prefix(count))) == .unfinished) }
        #expect(ControlRequest.read(line + line) == .request(request))
    }

    @Test(arguments: ["", " status", "status ", "STATUS", "maintenance", "maintenance on\r", "status\0"])
    func `what is no request is named`(_ line: String) {
        #expect(ControlRequest.read(Array("\(line)\n".utf8)) == .unknown(line))
    }

    @Test func `a line without an end is not waited for`() {
        let limit = ControlRequest.maximumLength
        #expect(ControlRequest.read(.init(repeating: 97, count: limit)) == .unfinished)
        #expect(ControlRequest.read(.init(repeating: 97, count: limit + 1)) == .tooLong)
        #expect(ControlRequest.read(.init(repeating: 97, count: limit + 1) + [10]) == .tooLong)
        #expect(ControlRequest.read(.init(repeating: 97, count: limit) + [10]) != .tooLong)
    }
}
