// qure-lab: the lab as a program.

@main enum LabTool { static func main() {} }
