// qure-site on two machines: probe, claim and update in a chain, without any election. The follower is a stand-in that
// keeps the stream of events that it is given, so that what is tested is the chain: who is told that it is master, and
// that nobody is told so who has not the address, whatever was killed.

import Glibc
import Lab
import QureCore
import Testing

extension InTheLab {
    @Suite(.timeLimit(.minutes(2)))
    struct SiteScript {
        /// A lab whose hosts run qure-site, and what their followers are told.
        private final class Chain {
            let lab: Lab
            private let folder = String(must("mktemp -d").dropLast())
            private(set) var scripts: [Int: LabProcess] = [:]

            init(hosts: Int) throws {
                lab = try Lab(hosts: hosts, responders: false)
                let follower = """
                    #!/bin/sh
                    case " $* " in *" --check-config "*) exit 0 ;; esac
                    echo "$*" > "\(folder)/words"
                    exec cat >> "\(folder)/$QURE_LAB_MACHINE"

                    """
                try TextFile.replace("\(folder)/qure-dnsupdate", with: Array(follower.utf8))
                must("chmod 755 \(folder)/qure-dnsupdate")
                for number in 1...hosts { try start(number) }
            }

            deinit { run("rm -rf \(folder)") }

            func start(_ number: Int) throws {
                let words = [
                    try Toolbox.path(of: "qure-site"), Lab.Plan.shared, "--interval", "100ms", "--fall", "3",
                    "--state-dir", "/run/h\(number)", "--", "home.example.com", "--site", "a b",
                ]
                scripts[number] = try lab.host(number).start(
                    words, environment: ["PATH": "\(folder):\(Toolbox.searchPath)"])
            }

            private func text(_ name: String) -> String {
                (try? TextFile.read("\(folder)/\(name)")).map { String(decoding: $0, as: UTF8.self) } ?? ""
            }

            /// What the follower was started with.
            var words: String { text("words") }

            /// The first words of what a host's follower was told, repetitions left out.
            func story(_ number: Int) -> [Substring] {
                var story: [Substring] = []
                for line in text("h\(number)").split(separator: "\n") {
                    let word = line.prefix { $0 != " " }
                    if word != "alive", word != story.last { story.append(word) }
                }
                return story
            }

            /// Whether the last line of a host says that it has the address; each line is one of the stream.
            func holds(_ number: Int) -> Bool? {
                let lines = text("h\(number)").split(separator: "\n")
                return lines.compactMap { try? ClusterEvent(Array($0.utf8)) }.last?.holds
            }

            /// The one whose follower is told that it is master, once there is exactly one.
            func master() -> Int? {
                var found: Int?
                _ = eventually {
                    let masters = scripts.keys.filter { holds($0) == true }
                    let isTrue = masters.count == 1 && (try? lab.holders()) == masters
                    found = isTrue ? masters[0] : nil
                    return isTrue
                }
                return found
            }

            var said: String {
                scripts.sorted { $0.key < $1.key }
                    .map { "h\($0): \($1.output)\($1.errors)\(story($0))" }.joined(separator: "\n")
            }
        }

        @Test func `the follower of the machine that has the address is told so, and a stop takes both away`() throws {
            let chain = try Chain(hosts: 2)
            let master = try #require(chain.master(), "\(chain.said)")
            let other = 3 - master
            #expect(eventually { chain.story(other) == ["standby"] }, "\(chain.said)")
            #expect(chain.words == "follow home.example.com --site a b\n")
            #expect(chain.scripts[master]?.stop(within: .seconds(10)) == 0, "\(chain.said)")
            #expect(chain.story(master).last == "goodbye")
            #expect(chain.master() == other, "\(chain.said)")
            #expect(chain.scripts[other]?.stop(within: .seconds(10)) == 0)
            #expect(try chain.lab.holders() == [])
            #expect(chain.story(other) == ["standby", "master", "goodbye"], "\(chain.said)")
        }

        @Test func `a claim that is killed is no longer master, although it could not say so`() throws {
            let chain = try Chain(hosts: 1)
            #expect(chain.master() == 1, "\(chain.said)")
            let machine = chain.lab.host(1)
            // Stopped first, so that the script cannot take the address again while we look.
            for script in machine.processes(named: "qure-standby") { kill(script, SIGSTOP) }
            for victim in machine.processes(named: "qure-claim") { kill(victim, SIGKILL) }
            #expect(eventually { chain.holds(1) == false }, "\(chain.said)")
            for script in machine.processes(named: "qure-standby") { kill(script, SIGCONT) }
            #expect(chain.master() == 1, "\(chain.said)")
        }

        @Test func `a follower that ends is started again, and the address stays`() throws {
            let chain = try Chain(hosts: 1)
            #expect(chain.master() == 1, "\(chain.said)")
            let machine = chain.lab.host(1)
            let victims = machine.processes(named: "cat")
            #expect(victims.count == 1)
            for victim in victims { kill(victim, SIGKILL) }
            #expect(eventually { chain.scripts[1]?.errors.contains("starting it again") == true }, "\(chain.said)")
            #expect(eventually { machine.processes(named: "cat").count == 1 }, "\(chain.said)")
            #expect(chain.master() == 1 && !chain.said.contains("withdrawn"), "\(chain.said)")
        }
    }
}
