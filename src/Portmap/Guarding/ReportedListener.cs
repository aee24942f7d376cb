using Portmap.Processes;

namespace Portmap.Guarding;

/// <summary>
/// What somebody says and what is held against the kernel's lists: a process listens there.
/// </summary>
/// <param name="Protocol">TCP or UDP.</param>
/// <param name="Port">The port.</param>
/// <param name="Process">The process.</param>
/// <param name="IsOwnSocket">The socket must be the process's own; else anybody's will do.</param>
internal readonly record struct ReportedListener(
    PortProtocol Protocol, int Port, ProcessIdentity Process, bool IsOwnSocket);
