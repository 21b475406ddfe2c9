// swift-tools-version: 6.2
// qure: a toolkit that keeps one address alive behind a consumer gateway.
// One library (QureCore), one executable per tool; README.md has the map of the code.
import PackageDescription

/// The settings of every Swift target of ours. Warnings are errors where QURE_STRICT is set (`make check`
/// sets it), so that a later compiler with a new warning still builds the package for its users.
let settings: [SwiftSetting] =
    [
        .swiftLanguageMode(.v6),
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("InternalImportsByDefault"),
    ] + (Context.environment["QURE_STRICT"] == nil ? [] : [.treatAllWarnings(as: .error)])

/// Release executables are fully static: they start in about a millisecond and need no Swift runtime installed.
/// ArgumentParser brings FoundationEssentials along, which does not name the libraries under it when it is linked in
/// this way. Constants stand beside the code that uses them (`--no-rosegment`), and the functions that every start runs
/// through stand beside each other (`scripts/link-order`, which also needs the symbols that are else left out): less of
/// the file is read, and less is resident.
let toolSettings = settings + [.unsafeFlags(["-static-executable"], .when(configuration: .release))]
let toolLinking: [LinkerSetting] =
    [
        .unsafeFlags(
            ["-static-executable", "-use-ld=lld", "-Xlinker", "--no-rosegment"]
                + ["-Xlinker", "--symbol-ordering-file=\(Context.packageDirectory)/scripts/link-order.txt"]
                + ["-Xlinker", "--no-warn-symbol-ordering"]
                + (Context.environment["QURE_SYMBOLS"] == nil ? ["-Xlinker", "-s"] : []),
            .when(configuration: .release))
    ]
    + ["_FoundationCollections", "_FoundationCShims", "swiftSynchronization"].map {
        .linkedLibrary($0, .when(configuration: .release))
    }

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")

func tool(_ name: String) -> Target {
    .executableTarget(
        name: name, dependencies: ["QureCore", argumentParser],
        swiftSettings: toolSettings, linkerSettings: toolLinking)
}

/// Tests and their support: the same settings; nothing of it is installed.
func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: settings)
}

/// The fuzz driver links libFuzzer's main, so it exists only where QURE_FUZZ is set (`make fuzz`).
let fuzzing: [SwiftSetting] =
    Context.environment["QURE_FUZZ"] == nil
    ? []
    : [
        .unsafeFlags(["-sanitize=fuzzer,address", "-parse-as-library", "-enable-testing"])
    ]
let fuzzTargets: [Target] =
    fuzzing.isEmpty
    ? []
    : [
        .executableTarget(
            name: "Fuzz", dependencies: ["QureCore"], path: "Tests/Fuzz", exclude: ["corpus"],
            swiftSettings: settings + fuzzing,
            linkerSettings: [.unsafeFlags(["-sanitize=fuzzer,address"])])
    ]

let package = Package(
    name: "qure",
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
    ],
    targets: [
        .systemLibrary(name: "CNetlink", pkgConfig: "libnl-route-3.0", providers: [.apt(["libnl-route-3-dev"])]),
        .systemLibrary(name: "CNettle", pkgConfig: "nettle", providers: [.apt(["nettle-dev"])]),
        .target(name: "CLinux"),
        .target(
            name: "QureCore", dependencies: ["CLinux", "CNetlink", "CNettle", argumentParser], exclude: ["README.md"],
            swiftSettings: settings + [.strictMemorySafety()] + fuzzing),
        tool("qure-probe"),
        tool("qure-claim"),
        tool("qure-elect"),
        tool("qure-dnsupdate"),
        tool("qure-dnsproxy"),
        .target(name: "Lab", dependencies: ["QureCore", "CLinux"], path: "Tests/Lab", swiftSettings: settings),
        .target(name: "Echo", dependencies: ["CNettle"], path: "Tests/Echo"),
        .target(name: "Allocations", path: "Tests/Allocations"),
        .executableTarget(
            name: "qure-lab", dependencies: ["Lab", "Echo", "QureCore", argumentParser], path: "Tests/LabTool",
            swiftSettings: toolSettings, linkerSettings: toolLinking),
        .target(name: "Simulator", dependencies: ["QureCore"], path: "Tests/Simulator", swiftSettings: settings),
        tests("WireTests", ["QureCore", "Simulator"], exclude: ["Fixtures"]),
        tests("DNSTests", ["QureCore", "Simulator", "Lab"], exclude: ["witness.py"]),
        tests("AuthenticationTests", ["QureCore"]),
        tests("ProtocolTests", ["QureCore", "Simulator"]),
        tests("SystemTests", ["QureCore", "Lab", "CNetlink", "CLinux", "Allocations"]),
        tests("CommandTests", ["QureCore", "Lab", "Simulator"], exclude: ["gateway.py", "lookup.c"]),
        tests("LabTests", ["QureCore", "Lab", "Simulator"]),
        tests("TidyTests", ["QureCore"]),
        .executableTarget(
            name: "qure-simulate", dependencies: ["Simulator", "QureCore"], path: "Tests/SimulatorTool",
            swiftSettings: toolSettings, linkerSettings: toolLinking),
        tests("SimulationTests", ["Lab", "QureCore"]),
    ] + fuzzTargets
)
