using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Portmap.Benchmarks.Gate;
using Portmap.Benchmarks.Quick;
using Portmap.Processes;

namespace Portmap.Benchmarks.Upkeep;

/// <summary>A daemon to which 4,000 processes have signed 10,000 owners in, each on a port that is
/// listened on, and of which nobody wants anything.</summary>
internal sealed class IdleDaemon : IDisposable
{
    public const int Processes = 4_000, Registrations = 10_000;

    private static readonly TimeSpan s_compilerTime = TimeSpan.FromSeconds(2);

    private const int First = 10_000;
    private const int WarmUps = 60, Passes = 31, MostMisses = 5_000;

    private readonly ManyProcesses _processes = new(Processes);
    private readonly List<Socket> _listeners = [];
    private readonly TimersInHand _timers = new();
    private readonly PortRegistryOptions _options = new() { Ports = $"{First}-65535" };
    private readonly PortRegistry _registry;

    public IdleDaemon()
    {
        _registry = new PortRegistry(_options, timeProvider: _timers);
        PortSession[] sessions = [.. _processes.Ids.Select(id => _registry.OpenSession(id))];
        for (int port = First; _listeners.Count < Registrations; port++)
        {
            int i = _listeners.Count;
            if (TryListen(port) is { } listener)
            {
                _listeners.Add(listener);
                if (!sessions[i % Processes].TryRegister(new PortClaimRequest(string.Create(CultureInfo.InvariantCulture, $"vol0:/bricks/b{i}"), port), out _, out PortRefusal? refusal))
                {
                    throw new InvalidOperationException(refusal.ToString());
                }
            }
        }

        for (int i = 0; i < WarmUps; i++)
        {
            _timers.Fire(_options.LivenessInterval);
            _timers.Fire(_options.ReconcileInterval);
        }

        GC.Collect();
        Thread.Sleep(s_compilerTime);   // its time is processor time of this process too: it is to have ended
    }

    /// <summary>The processor time of one pass, in milliseconds: the median. A lease is open, so
    /// that the pass walks over all owners.</summary>
    public double LivenessPassMs()
    {
        if (!_registry.TryAcquire(new PortRequest("vol0:/bricks/open"), out PortLease? lease, out PortRefusal? refusal))
        {
            throw new InvalidOperationException(refusal.ToString());
        }

        double ms = CpuMs(() => _timers.Fire(_options.LivenessInterval), HasJustPassed);
        return lease.TryRelease(out refusal) ? ms : throw new InvalidOperationException(refusal.ToString());
    }

    /// <summary>As <see cref="LivenessPassMs"/>, of the pass that holds the book against the
    /// kernel's lists.</summary>
    public double ReconcilePassMs() => CpuMs(() => _timers.Fire(_options.ReconcileInterval));

    /// <summary>What a look at each process by /proc takes.</summary>
    public double LooksMs()
    {
        ProcessIdentity[] identities = [.. _processes.Ids.Select(id => ProcessIdentity.Of(id, out _))];
        return CpuMs(() =>
        {
            if (Array.Exists(identities, identity => !identity.IsAlive()))
            {
                throw new InvalidOperationException("A process has died.");
            }
        });
    }

    /// <summary>The share of a core that this process takes while nothing happens, for so long as
    /// one period of the slowest pass takes.</summary>
    public double PercentOfACore()
    {
        long before = ThreadClock.ProcessNs;
        Thread.Sleep(_options.ReconcileInterval);
        return 100 * (ThreadClock.ProcessNs - before) / _options.ReconcileInterval.TotalNanoseconds;
    }

    public void Dispose()
    {
        _registry.Dispose();
        _listeners.ForEach(listener => listener.Dispose());
        _processes.Dispose();
    }

    private static Socket? TryListen(int port)
    {
        Socket listener = new(AddressFamily.InterNetworkV6, SocketType.Stream, ProtocolType.Tcp) { DualMode = true };
        try
        {
            listener.Bind(new IPEndPoint(IPAddress.IPv6Any, port));
            listener.Listen(1);
            return listener;
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressAlreadyInUse)
        {
            listener.Dispose();
            return null;   // somebody else's
        }
    }

    /// <summary>Whether a pass has come to its end since a time; one that meets another under way
    /// leaves it to that.</summary>
    private bool HasJustPassed(long sinceMs) => _registry.Parts.LastPassMs >= sinceMs;

    private double CpuMs(Action action, Func<long, bool>? isDone = null)
    {
        List<double> ms = [];
        for (int misses = 0; ms.Count < Passes && misses <= MostMisses;)
        {
            long sinceMs = _registry.Parts.NowMs, start = ThreadClock.NowNs;
            action();
            double took = (ThreadClock.NowNs - start) / 1e6;
            if (isDone is null || isDone(sinceMs))
            {
                ms.Add(took);
            }
            else
            {
                misses++;
                Thread.Sleep(1);   // the one under way is to come to its end
            }
        }

        return ms.Count == Passes ? PairedTimer.Median([.. ms]) : throw new InvalidOperationException($"Only {ms.Count} passes did something.");
    }
}
