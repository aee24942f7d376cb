using System.Diagnostics;

namespace Portmap.Rpc.Diagnostics;

/// <summary>A worker's part of the trace of its lease: from its first look for a port until it is
/// signed in.</summary>
/// <remarks>It follows what its caller is in, else what the daemon handed over as
/// TRACEPARENT.</remarks>
internal static class WorkerTrace
{
    public const string SourceName = "Portmap.Rpc";

    private static readonly ActivitySource s_source = new(SourceName);

    /// <summary>Begins it; null where nobody listens.</summary>
    public static Activity? Begin(string owner)
    {
        if (!s_source.HasListeners())
        {
            return null;
        }

        ActivityContext parent = default;
        if (Activity.Current is null)
        {
            _ = ActivityContext.TryParse(PortmapEnvironment.Get(PortmapVariables.TraceParent), traceState: null, isRemote: true, out parent);
        }

        return s_source.StartActivity("portmap.listen", ActivityKind.Client, parent)?.SetTag("portmap.owner", Portmap.Diagnostics.Printable.Of(owner));
    }
}
