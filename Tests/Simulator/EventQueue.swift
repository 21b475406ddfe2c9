// What is to happen in a simulation, in the order of its time: a binary heap. Of two things at the same time the one
// that was planned first happens first, so that a seed always tells the same story. The heap moves small keys only;
// the elements, which may be large, stay where they were put.

/// A priority queue by time and then by the order of insertion.
struct EventQueue<Element> {
    private struct Key {
        var time: Int64
        var order: UInt64
        var place: Int

        static func < (one: Key, other: Key) -> Bool {
            one.time != other.time ? one.time < other.time : one.order < other.order
        }
    }

    private var heap: [Key] = []
    private var elements: [Element?] = []
    private var freePlaces: [Int] = []
    private var inserted: UInt64 = 0

    /// When the first one is due.
    var nextTime: Int64? { heap.first?.time }

    mutating func insert(_ element: Element, at time: Int64) {
        inserted += 1
        let place: Int
        if let free = freePlaces.popLast() {
            place = free
            elements[place] = element
        } else {
            place = elements.count
            elements.append(element)
        }
        let key = Key(time: time, order: inserted, place: place)
        heap.append(key)
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard key < heap[parent] else { break }
            heap[child] = heap[parent]
            child = parent
        }
        heap[child] = key
    }

    mutating func popFirst() -> (time: Int64, element: Element)? {
        guard let first = heap.first, let element = elements[first.place].take() else { return nil }
        freePlaces.append(first.place)
        let last = heap.removeLast()
        if !heap.isEmpty { sink(last) }
        return (first.time, element)
    }

    /// Puts `key` at the top and lets it sink to where it belongs.
    private mutating func sink(_ key: Key) {
        var parent = 0
        while true {
            var child = 2 * parent + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count, heap[child + 1] < heap[child] { child += 1 }
            guard heap[child] < key else { break }
            heap[parent] = heap[child]
            parent = child
        }
        heap[parent] = key
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
