// CommandTests

import Testing
