// Durations and JSON as text.

import QureCore
import Simulator
import Testing

@Suite struct DurationTests {
    @Test(arguments: [
        ("250ms", 250_000_000), ("2s", 2_000_000_000), ("1m", 60_000_000_000), ("3", 3_000_000_000),
        ("1.5s", 1_500_000_000),
        ("0.25", 250_000_000), ("1h", 3_600_000_000_000), ("1.5d", 129_600_000_000_000),
        ("10us", 10_000), ("7ns", 7), ("0.5us", 500),
        ("0.000001s", 1000),
        ("1.5h", 5_400_000_000_000), ("0", 0), ("0s", 0), ("007s", 7_000_000_000), ("1.999999999s", 1_999_999_999),
        ("1.9999999999s", 1_999_999_999), ("0.9ns", 0), ("2400h", 8_640_000_000_000_000), ("1.234567m", 74_074_020_000),
    ] as [(String, Int64)])
    func `a duration reads`(_ text: String, _ nanoseconds: Int64) {
        #expect(Duration(text: text) == .nanoseconds(nanoseconds))
    }

    @Test(arguments: [
        "", "s", "ms", ".", ".5s", "5.s", "-1s", "+1s", "1e3", "1 s", " 1s", "1s ", "1.2.3s", "1S", "1sec", "1w", "1D",
        "0x10", "1_000", "1,5s", "٣s",
        "1s1", "inf", "nan", "9999999999999", "999999999999h", "2400.1h", "100.1d", "2562047.99h", "8640000.000000001s",
        "99999999999999999999ms", "1µs",
        "1.0000000000000s", "1s\0",
    ])
    func `what is no duration, or a longer one than anybody means`(_ text: String) {
        #expect(Duration(text: text) == nil)
    }

    @Test(arguments: [
        (0, "0s"), (1_000_000_000, "1s"), (300_000_000, "300ms"), (1_500_000_000, "1500ms"), (212_000, "0.212ms"),
        (1_002_000, "1.002ms"),
        (12_999, "0.012ms"), (999, "0s"), (90_000_000_000, "90s"), (-212_000, "-0.212ms"), (-2_000_000_000, "-2s"),
        (-1, "0s"),
    ] as [(Int64, String)])
    func `a duration prints`(_ nanoseconds: Int64, _ text: String) {
        #expect(Duration.nanoseconds(nanoseconds).text == text)
    }

    @Test func `what is printed reads back to the microsecond`() {
        var random = SplitMix64(seed: 1)
        for _ in 0..<2000 {
            let limit = Int64.random(in: 1...8_640_000_000_000, using: &random)
            let microseconds = Int64.random(in: 0...limit, using: &random)
            #expect(Duration(text: Duration.microseconds(microseconds).text) == .microseconds(microseconds))
        }
    }

    @Test func `whole units are rounded towards zero`() {
        // On either side of what fits into 64 bits of attoseconds: 9.223 seconds.
        for number: Int64 in [0, 1, -1, 9_223_372_036, 9_223_372_037, -9_223_372_036, -9_223_372_037, .max, .min] {
            #expect(Duration.nanoseconds(number).nanoseconds == number)
        }
        #expect(Duration(secondsComponent: 0, attosecondsComponent: -1_999_999_999).nanoseconds == -1)
        #expect(Duration(secondsComponent: -10, attosecondsComponent: -999_999_999).nanoseconds == -10_000_000_000)
        let duration = Duration.nanoseconds(-1_999_999)
        #expect(duration.nanoseconds == -1_999_999 && duration.microseconds == -1999 && duration.milliseconds == -1)
    }
}

@Suite struct JSONTests {
    @Test(arguments: [
        ("", #""""#), ("eth0", #""eth0""#),
        (#"a"b"#, #""a\"b""#), (#"a\b"#, #""a\\b""#), ("a\nb\tc\r", #""a\nb\tc\r""#), ("\r\n", #""\r\n""#),
        ("\0\u{1}\u{1f}\u{7f}", #""\u0000\u0001\u001f\u007f""#), ("/é€😀", #""/é€😀""#),
        ("\u{1b}[31m", #""\u001b[31m""#), ("e\u{301}\"\u{301}", "\"e\u{301}\\\"\u{301}\""),
    ])
    func `a string is quoted`(_ value: String, _ text: String) {
        #expect(JSONValue.string(value).text.unicodeScalars.elementsEqual(text.unicodeScalars))
    }

    @Test func `values nest on one line, in order`() {
        let value = JSONValue.object([
            ("z", .null), ("a", .array([.integer(-1), .integer(.max), .boolean(true), .array([])])),
            ("q\"", .object([])),
            ("b", .boolean(false)),
        ])
        #expect(value.text == #"{"z":null,"a":[-1,9223372036854775807,true,[]],"q\"":{},"b":false}"#)
    }
}
