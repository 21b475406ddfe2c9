// GatewayDevice: what the description of an Internet gateway device says about its connections (UPnP Device
// Architecture 1.1 section 2.3), and the question for the external address that they answer (WANIPConnection:1 section
// 2.4.18). Devices with several lines have a service for each, of which one has an address.

/// The services of a gateway that know its external address.
package struct GatewayDevice: Equatable, Sendable {
    /// A service that is asked by SOAP.
    package struct Service: Equatable, Sendable {
        /// `urn:schemas-upnp-org:service:WANIPConnection:1`
        package var type: String
        /// Where it is asked.
        package var control: HTTPURL
    }

    /// Services that are asked.
    static let maximumServices = 4

    /// In the order of the description.
    package var services: [Service]

    /// Reads a description that came from `url`. Services that are at another host than that are left out: whoever
    /// wants to answer for the gateway has to be it.
    package init(_ description: [UInt8], from url: HTTPURL) {
        services = []
        var scanner = XMLScanner(description)
        var base = url
        var element = ""
        var type = "", control = ""
        while let part = scanner.next(), services.count < Self.maximumServices {
            switch part {
            case .open(let name):
                element = name
                if name == "service" { (type, control) = ("", "") }
            case .text(let text):
                switch element {
                case "URLBase": base = HTTPURL(text) ?? url
                case "serviceType": type = text
                case "controlURL": control = text
                default: break
                }
            case .close(let name):
                element = ""
                guard name == "service", Self.isConnection(type) else { continue }
                guard let control = base.resolving(control), control.host == url.host else { continue }
                services.append(Service(type: type, control: control))
            }
        }
    }

    /// The type goes into a header as it is.
    private static func isConnection(_ type: String) -> Bool {
        let names = ["WANIPConnection", "WANPPPConnection"].map { "urn:schemas-upnp-org:service:\($0):" }
        let version = names.lazy.filter(type.hasPrefix).map { type.dropFirst($0.count) }.first
        guard let version, (1...2).contains(version.utf8.count) else { return false }
        return version.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }
}

extension GatewayDevice.Service {
    private static let action = "GetExternalIPAddress"

    /// The question for the external address.
    package var question: [UInt8] {
        let body =
            "<?xml version=\"1.0\"?>\r\n<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" "
            + "s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"><s:Body>"
            + "<u:\(Self.action) xmlns:u=\"\(type)\"></u:\(Self.action)></s:Body></s:Envelope>\r\n"
        let fields = [
            ("Content-Type", "text/xml; charset=\"utf-8\""), ("SOAPAction", "\"\(type)#\(Self.action)\""),
        ]
        return HTTPRequest.octets(control, fields: fields, body: body)
    }

    /// The external address in an answer; nil: it has none.
    package static func external(in answer: HTTPResponse) -> IPAddress? {
        guard answer.status == 200 else { return nil }
        var scanner = XMLScanner(answer.body)
        var isInside = false
        while let part = scanner.next() {
            switch part {
            case .open(let name): isInside = name == "NewExternalIPAddress"
            case .close: isInside = false
            case .text(let text): if isInside { return IPv4Address(text).map(IPAddress.v4) }
            }
        }
        return nil
    }
}
