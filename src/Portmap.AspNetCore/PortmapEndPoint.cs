using System.Net;
using Portmap.Diagnostics;
using Portmap.Rpc;

namespace Portmap.AspNetCore;

/// <summary>Where Kestrel is to listen: on the port of an owner, which is known when it
/// listens.</summary>
internal sealed class PortmapEndPoint(string owner, WorkerPortOptions options) : EndPoint
{
    public string Owner => owner;

    public WorkerPortOptions Options => options;

    public override string ToString() => $"portmap:{Printable.Of(owner)}";
}
