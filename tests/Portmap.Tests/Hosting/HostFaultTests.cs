using Portmap.Tests.Support;

namespace Portmap.Tests.Hosting;

/// <summary>What the host's own code throws ends where it was called: no verb is left half done by
/// it, and nothing leaks.</summary>
public class HostFaultTests
{
    private const int Ports = 4, MostCopies = 100;

    private static readonly TimeSpan s_recheck = TimeSpan.FromMilliseconds(100);

    public static IEnumerable<object[]> Cases =>
        from code in Enum.GetValues<HostCode>() from isStored in (bool[])[false, true] select new object[] { code, isStored };

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task Verbs_HostCodeThrowsAtAnyCall_LeaveATableThatIsWhole(HostCode code, bool isStored)
    {
        int calls = await PlayAsync(code, HostFault.Never, isStored);
        calls.Should().BeGreaterThan(code == HostCode.Timer ? 0 : 3, "otherwise nothing is tried");

        await PlayAsync(code, HostFault.Always, isStored);
        int step = Math.Max(1, calls / 40);   // a clock is read some hundred times
        for (int call = 1; call <= calls; call += step)
        {
            await PlayAsync(code, call, isStored);
        }
    }

    /// <summary>Each verb and each way to end, with real sockets and a real process that is
    /// killed.</summary>
    private static async Task<int> PlayAsync(HostCode code, int throwAt, bool isStored)
    {
        HostFault fault = new(code, throwAt);
        PortRange block = PortBlock.Take(Ports + 3), range = new(block.First, block.First + Ports - 1);
        int outside = range.Last + 1;   // who registers by itself takes no port of the range
        using HostFault.Listener meter = new(fault);
        HostFault.Time clock = new(fault);
        PortRegistryOptions options = new() { Ports = range.ToString(), Strategy = "Faulty", MaxOwners = 8, ReuseDelay = TimeSpan.FromSeconds(5), ForeignRecheck = s_recheck };
        options.AddStrategy(new HostFault.Strategy(fault));
        HostFault.Sink log = new(fault);
        await using PortRegistry registry = isStored
            ? await PortRegistry.OpenAsync(options, new FakePortStore(), log, clock).Within()
            : new PortRegistry(options, log, clock);
        fault.IsOn = true;
        bool refusesAll = code == HostCode.Strategy && throwAt == HostFault.Always;

        using (Stranger.OnUdp(range.First))
        {
            if (await AcquireAsync(registry, new PortRequest("both") { Protocol = PortProtocol.TcpAndUdp }) is { } both)
            {
                await both.ReleaseAsync().AsTask().Within();   // it met the stranger with one half in hand
            }
            else
            {
                refusesAll.Should().BeTrue();
            }
        }

        using Child child = Child.Start();
        PortSession here = registry.OpenSession(Environment.ProcessId);
        PortSession mortal = registry.OpenSession(child.Id);
        await mortal.RegisterAsync(new PortClaimRequest("dies", outside)).AsTask().Within();
        await registry.OpenSession(null).RegisterAsync(new PortClaimRequest("leaves", outside + 1)).AsTask().Within();
        PortSession leaving = registry.OpenSession(Environment.ProcessId);
        await leaving.RegisterAsync(new PortClaimRequest("hangs up", outside + 2)).AsTask().Within();
        await leaving.DisposeAsync();
        child.Kill();
        registry.Maintain();
        if (await AcquireAsync(registry, "b1") is { } first)
        {
            await here.RegisterAsync(new PortClaimRequest("b1", first.Port) { Epoch = first.Epoch }).AsTask().Within();
            await here.ReleaseAsync("b1").AsTask().Within();
            PortLease loser = (await AcquireAsync(registry, new PortRequest("loses") { Guard = PortGuardMode.StepAside }))!;
            loser.OpenGate();
            using Stranger listener = Stranger.Listening(loser.Port);   // who takes something proves that it listens
            await here.RegisterAsync(new PortClaimRequest("wins", loser.Port)).AsTask().Within();
            PortLease moved = (await AcquireAsync(registry, "moves"))!;
            try
            {
                await moved.ReportBindFailureAsync().AsTask().Within();
            }
            catch (PortRefusedException e) when (code == HostCode.Strategy)
            {
                e.Refusal.ShouldExplain(PortRefusalReason.StrategyFailed, "Faulty", "fails at call");
            }

            await here.ReleaseAsync("wins").AsTask().Within();
        }

        await AcquireAsync(registry, string.Empty);
        for (int second = 0; second < 80; second++)
        {
            clock.Advance(TimeSpan.FromSeconds(1));   // leases run out, graces end, ports cool, strangers are looked at again
        }

        fault.IsOn = false;
        clock.Advance(TimeSpan.FromSeconds(20));
        registry.Maintain();
        await registry.FlushAsync().Within();
        registry.AssertInvariants();
        registry.Snapshot().Entries.Where(entry => entry.State is PortState.Bound or PortState.Reserved or PortState.Recovered)
            .Select(entry => entry.Owner).Should().BeSubsetOf(["leaves"], "all else has ended, and 'leaves' keeps its connection");
        for (int i = 0; i < Ports; i++)
        {
            (await AcquireInTheEndAsync(registry, clock, FormattableString.Invariant($"after{i}")))
                .Port.Should().BeInRange(range.First, range.Last);   // neither a port nor a place for an owner was lost
        }

        return fault.Calls;
    }

    /// <summary>A lease of a range that is all needed. A child that another test starts holds a copy of
    /// every descriptor until it has called exec, also of the placeholder that was just let go: the
    /// port is foreign then. Once a child of our own runs, that one has as well.</summary>
    private static async Task<PortLease> AcquireInTheEndAsync(PortRegistry registry, HostFault.Time clock, string owner)
    {
        for (int attempt = 0; ; attempt++)
        {
            try
            {
                return await registry.AcquireAsync(new PortRequest(owner) { Strategy = PortRegistryOptions.AllocatorPicks }).AsTask().Within();
            }
            catch (PortRefusedException e) when (e.Refusal.Reason == PortRefusalReason.Exhausted && attempt < MostCopies)
            {
                Child.Start().Dispose();
                clock.Advance(s_recheck);
            }
        }
    }

    /// <summary>The lease; null when the name is wrong, or when the strategy fails twice
    /// running.</summary>
    private static async Task<PortLease?> AcquireAsync(PortRegistry registry, PortRequest request)
    {
        for (int attempt = 0; ; attempt++)
        {
            try
            {
                return await registry.AcquireAsync(request).AsTask().Within();
            }
            catch (PortRefusedException e) when (e.Refusal.Reason == PortRefusalReason.InvalidOwner)
            {
                return null;
            }
            catch (PortRefusedException e) when (e.Refusal.Reason == PortRefusalReason.StrategyFailed)
            {
                e.Refusal.ShouldExplain(PortRefusalReason.StrategyFailed, "Faulty", "fails at call");
                if (attempt == 1)
                {
                    return null;
                }
            }
        }
    }
}
