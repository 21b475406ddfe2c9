// TidyTests

import Testing
