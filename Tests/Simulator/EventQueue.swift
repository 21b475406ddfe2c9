// What is to happen in a simulation, in the order of its time: a binary heap. Of two things at the same time the one
// that was planned first happens first, so that a seed always tells the same story.

/// A priority queue by time and then by the order of insertion.
struct EventQueue<Element> {
    private var heap: [(time: Int64, order: UInt64, element: Element)] = []
    private var inserted: UInt64 = 0

    /// When the first one is due.
    var nextTime: Int64? { heap.first?.time }

    mutating func insert(_ element: Element, at time: Int64) {
        inserted += 1
        heap.append((time, inserted, element))
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard isEarlier(child, parent) else { break }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    mutating func popFirst() -> (time: Int64, element: Element)? {
        guard let first = heap.first else { return nil }
        let last = heap.removeLast()
        if !heap.isEmpty {
            heap[0] = last
            var parent = 0
            while true {
                var least = parent
                for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && isEarlier(child, least) {
                    least = child
                }
                if least == parent { break }
                heap.swapAt(parent, least)
                parent = least
            }
        }
        return (first.time, first.element)
    }

    private func isEarlier(_ one: Int, _ other: Int) -> Bool {
        (heap[one].time, heap[one].order) < (heap[other].time, heap[other].order)
    }
}

extension SplitMix64 {
    mutating func chance(_ percent: Int) -> Bool { Int(next() % 100) < percent }
    mutating func pick(_ range: ClosedRange<Int64>) -> Int64 {
        range.lowerBound + Int64(next() % UInt64(range.upperBound - range.lowerBound + 1))
    }
    mutating func pick(_ range: ClosedRange<Int>) -> Int {
        Int(pick(Int64(range.lowerBound)...Int64(range.upperBound)))
    }
}
