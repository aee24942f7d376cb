namespace Portmap.AspNetCore.Tests;

/// <summary>A Kestrel process that listens, its entry, and the addresses it says it listens
/// on.</summary>
internal sealed record Worker(ChildProcess Process, PortEntry Entry, string[] Addresses);
