// LabTests

import Testing
