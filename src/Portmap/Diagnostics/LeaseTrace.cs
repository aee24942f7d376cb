using System.Diagnostics;

namespace Portmap.Diagnostics;

/// <summary>The way of a lease from its acquisition to the process that listens, as spans of one
/// trace, where somebody listens to the source "Portmap". Names and tags are API;
/// docs/reference/meters.md is their table.</summary>
/// <remarks>
/// <code>
///   portmap.lease     ├──────────────────────────────────────────┤   the root: follows whatever the caller was in
///   portmap.acquire   ├────────┤
///   portmap.start              ├───────────────┤                     until the host has prepared its worker's start
///   portmap.bind                               ├──────────────┤      the worker's part
/// </code>
/// A stage ends by whoever takes it out of its field, so each ends once, by any thread. Who is
/// called back by a stop, or a caller's own span, is never ours: what was current stays it, and
/// what a listener throws ends here.
/// </remarks>
internal sealed class LeaseTrace
{
    public const string SourceName = "Portmap";

    private static readonly ActivitySource s_source = new(SourceName);

    private readonly Activity _lease;
    private Activity? _acquiring;
    private Activity? _starting;
    private Activity? _binding;
    private int _isOver;

    private LeaseTrace(Activity lease)
    {
        _lease = lease;
        _acquiring = Stage("portmap.acquire");
    }

    /// <summary>Whether somebody listens at all.</summary>
    public static bool IsWanted => s_source.HasListeners();

    /// <summary>What a worker continues: the W3C traceparent; null for other formats.</summary>
    public string? TraceParent => _lease.IdFormat == ActivityIdFormat.W3C ? (Volatile.Read(ref _binding) ?? _lease).Id : null;

    /// <summary>Begins one; null where nobody wants it.</summary>
    public static LeaseTrace? Begin(string owner, PortProtocol protocol)
    {
        LeaseTrace? trace = null;
        if (IsWanted)
        {
            Aside(() =>
            {
                if (s_source.StartActivity("portmap.lease") is { } lease)
                {
                    lease.SetTag("portmap.owner", Printable.Of(owner)).SetTag("portmap.protocol", protocol.ToString());
                    trace = new LeaseTrace(lease);
                }
            });
        }

        return trace;
    }

    /// <summary>It has a port, or the right to pick one, and waits for its worker.</summary>
    /// <remarks>Called again when another one came between: the later is true.</remarks>
    public void Granted(int port, long epoch, string strategy) => Aside(() =>
    {
        _lease.SetTag("portmap.port", port).SetTag("portmap.epoch", epoch).SetTag("portmap.strategy", strategy);
        if (Interlocked.Exchange(ref _acquiring, null) is { } acquiring)
        {
            acquiring.Stop();
            Volatile.Write(ref _starting, Stage("portmap.start"));
        }
    });

    /// <summary>Its worker may bind now.</summary>
    public void Started() => Aside(() =>
    {
        if (Interlocked.Exchange(ref _starting, null) is { } starting)
        {
            starting.Stop();
            Volatile.Write(ref _binding, Stage("portmap.bind"));
        }
    });

    /// <summary>A port could not be bound, and it has another one.</summary>
    public void Healed(int failed, int port) => Aside(() =>
    {
        _lease.AddEvent(new ActivityEvent("portmap.healed", tags: new ActivityTagsCollection { ["portmap.port.failed"] = failed }));
        _lease.SetTag("portmap.port", port);
    });

    /// <summary>A process has registered with it.</summary>
    public void Bound(int port, int? processId) => End(() =>
        _lease.SetTag("portmap.port", port).SetTag("portmap.process", processId).SetStatus(ActivityStatusCode.Ok));

    /// <summary>It is over before that, or was never granted.</summary>
    public void Ended(string reason) => End(() => _lease.SetStatus(ActivityStatusCode.Error, reason));

    private void End(Action say)
    {
        if (Interlocked.Exchange(ref _isOver, 1) == 0)
        {
            Aside(() =>
            {
                Interlocked.Exchange(ref _acquiring, null)?.Stop();
                Interlocked.Exchange(ref _starting, null)?.Stop();
                Interlocked.Exchange(ref _binding, null)?.Stop();
                say();
                _lease.Stop();
            });
        }
    }

    private Activity? Stage(string name) => s_source.StartActivity(name, ActivityKind.Internal, _lease.Context);

    private static void Aside(Action action)
    {
        Activity? current = Activity.Current;
        try
        {
            action();
        }
        catch (Exception)
        {
            // The host's listener failed; what it was told of is done.
        }
        finally
        {
            Activity.Current = current;
        }
    }
}
