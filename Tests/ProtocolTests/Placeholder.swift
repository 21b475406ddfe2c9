// ProtocolTests

import Testing
