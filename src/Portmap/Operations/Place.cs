namespace Portmap.Operations;

/// <summary>An owner and a port that something is said of.</summary>
/// <param name="Owner">The owner.</param>
/// <param name="Port">The port, or 0.</param>
/// <param name="Protocol">The protocol.</param>
internal readonly record struct Place(string Owner, int Port, PortProtocol Protocol);
