// When another process has ended: one that runs is seen to run, one that has ended to have ended, and the end of one
// wakes whoever waits for it.

import Glibc
import Lab
import QureCore
import Testing

@Suite struct ProcessWatchTests {
    @Test func `a process runs until it has ended, and its end wakes who waits`() throws {
        let tool = RunningTool(["sleep", "60"])
        let watch = ProcessWatch(tool.process)
        // Asked outside of #expect, which would copy the watch.
        let isRunning = { watch.isRunning }
        #expect(isRunning())
        let descriptor = watch.descriptor ?? -1
        try #require(descriptor >= 0)
        var poller = try Poller()
        try poller.add(descriptor, token: 7)
        let before = try poller.wait(until: Clock.now)
        #expect(before == [.deadline])
        // Not buried yet: nobody has asked how it ended.
        tool.signal(SIGKILL)
        let after = try poller.wait(until: Clock.now + .seconds(20))
        #expect(after == [.ready(7)] && !isRunning())
        #expect(tool.finish().status == 128 + Int(SIGKILL))
        #expect(!isRunning())
    }

    @Test func `one that was not there, or is gone, has ended`() {
        let tool = RunningTool(["true"])
        #expect(tool.finish().status == 0)
        for process in [0, -1, tool.process] {
            let watch = ProcessWatch(process)
            let (isRunning, descriptor) = (watch.isRunning, watch.descriptor)
            #expect(!isRunning && descriptor == nil)
        }
    }
}
