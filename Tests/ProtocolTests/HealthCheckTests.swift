// The table at the head of HealthCheck.swift, row by row, and the law of deadlines.

import QureCore
import Testing

private struct Checked: Machine {
    var check = HealthCheck(interval: .milliseconds(2000), fall: 3, rise: 2)
    static let deadlinePassed = HealthCheck.Input.deadlinePassed
    var nextDeadline: Instant? { check.nextDeadline }

    mutating func run(_ input: HealthCheck.Input, at now: Instant) -> String {
        check.step(input, at: now).map { output in
            switch output {
            case .run: "run"
            case .verdict(let healthy): healthy ? "healthy" : "unhealthy"
            }
        }.joined(separator: "; ")
    }
}

private let passes = HealthCheck.Input.ended(passed: true), fails = HealthCheck.Input.ended(passed: false)

@Suite struct HealthCheckTests {
    private static let table: [Row<HealthCheck.Input>] = [
        Row("the first result decides: well", [Line(0, .start, "run"), Line(10, passes, "healthy")], deadline: 2000),
        Row("the first result decides: ill", [Line(0, .start, "run"), Line(10, fails, "unhealthy")], deadline: 2000),
        Row(
            "ill after three failures in a row, well after two successes",
            [
                Line(0, .start, "run"), Line(10, passes, "healthy"), Line(2000, "run"), Line(2010, fails),
                Line(4000, "run"), Line(4010, fails), Line(6000, "run"), Line(6010, fails, "unhealthy"),
                Line(8000, "run"), Line(8010, passes), Line(10000, "run"), Line(10010, passes, "healthy"),
            ], deadline: 12000),
        Row(
            "a success between failures, and a failure between successes, begin the count anew",
            [
                Line(0, .start, "run"), Line(10, passes, "healthy"), Line(2000, "run"), Line(2010, fails),
                Line(4000, "run"), Line(4010, fails), Line(6000, "run"), Line(6010, passes),
                Line(8000, "run"), Line(8010, fails), Line(10000, "run"), Line(10010, fails),
                Line(12000, "run"), Line(12010, fails, "unhealthy"), Line(14000, "run"), Line(14010, passes),
                Line(16000, "run"), Line(16010, fails), Line(18000, "run"), Line(18010, passes),
                Line(20000, "run"), Line(20010, passes, "healthy"),
            ], deadline: 22000),
        Row(
            "a check that takes longer than the interval skips the next",
            [
                Line(0, .start, "run"), Line(2000, ""), Line(3000, passes, "healthy"), Line(4000, "run"),
                Line(6000, ""), Line(7000, fails), Line(7001, fails), Line(8000, "run"),
            ], deadline: 10000),
        Row(
            "started once; a deadline that is not due does nothing",
            [Line(0, .start, "run"), Line(5, .start), Line(1999, .deadlinePassed), Line(2100, .deadlinePassed)],
            deadline: 4100),
        Row("what was not asked for is no result", [Line(0, fails), Line(1, passes)]),
    ]

    @Test(arguments: table)
    func `the table`(_ row: Row<HealthCheck.Input>) { row.check(Checked()) }

    @Test func `the law of deadlines`() {
        checkDeadlineLaw { _ in Checked() } input: { random in
            [HealthCheck.Input.start, passes, fails].randomElement(using: &random) ?? .start
        }
    }
}
