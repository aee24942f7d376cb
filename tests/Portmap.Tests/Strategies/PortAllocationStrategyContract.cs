using Portmap.Tests.Support;

namespace Portmap.Tests.Strategies;

/// <summary>What every <see cref="IPortAllocationStrategy"/> must keep, seen through a registry
/// that uses it. A new one inherits this class.</summary>
public abstract class PortAllocationStrategyContract
{
    private const int Count = 10;

    /// <summary>The strategy's name.</summary>
    protected abstract string Name { get; }

    /// <summary>Whether the process picks the number, so that a lease has none yet.</summary>
    protected virtual bool ProcessPicks => false;

    /// <summary>Makes the strategy the one of these options.</summary>
    protected virtual void Configure(PortRegistryOptions options, PortRange range) => options.Strategy = Name;

    [Fact]
    public async Task Acquire_WholeRange_ReachesEveryPortOnce()
    {
        await using Scene scene = MakeScene(out PortRange range);

        List<int> ports = [.. Enumerable.Range(0, Count).Select(i => AcquireAndRegister(scene, range, i).Port)];

        ports.Should().BeEquivalentTo(Enumerable.Range(range.First, Count));
    }

    [Fact]
    public async Task Acquire_FullRange_IsExhaustedAsAValueOrLeftToTheProcess()
    {
        await using Scene scene = MakeScene(out PortRange range);
        for (int i = 0; i < Count; i++)
        {
            AcquireAndRegister(scene, range, i);
        }

        if (ProcessPicks)
        {
            scene.Acquire("one more").Port.Should().Be(0, "the process may find a port that the registry does not know");
        }
        else
        {
            scene.AcquireRefused("one more").ShouldExplain(PortRefusalReason.Exhausted, range, Count);
        }
    }

    [Fact]
    public async Task Acquire_OnePortLeft_FindsIt()
    {
        await using Scene scene = MakeScene(out PortRange range, options => options.ReuseDelay = TimeSpan.Zero);
        for (int i = 0; i < Count; i++)
        {
            AcquireAndRegister(scene, range, i);
        }

        foreach (int i in (int[])[0, Count - 1, Count / 2])
        {
            scene.Registry.TryGetPort(OwnerOf(i), out int port).Should().BeTrue();
            scene.Here.Release(OwnerOf(i));

            AcquireAndRegister(scene, port, i).Port.Should().Be(port);
        }
    }

    [Fact]
    public async Task Acquire_Excluded_AreNotHandedOut()
    {
        await using Scene scene = MakeScene(out PortRange range, options => options.Exclude = "20000,20004-20005,20009");

        List<int> ports = [.. Enumerable.Range(0, Count - 4).Select(i => scene.Acquire(OwnerOf(i)).Port)];

        ports.Should().NotContain([20000, 20004, 20005, 20009]);
        if (!ProcessPicks)
        {
            ports.Should().OnlyHaveUniqueItems().And.OnlyContain(port => range.Contains(port));
            scene.AcquireRefused("one more").ShouldExplain(PortRefusalReason.Exhausted);
        }
    }

    [Fact]
    public async Task Acquire_ManyThreads_NoPortTwice()
    {
        await using Scene scene = MakeScene(out PortRange range);
        int owners = ProcessPicks ? Count : Count * 2;
        PortLease?[] leases = new PortLease?[owners];

        Parallel.For(0, owners, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i => scene.Registry.TryAcquire(OwnerOf(i), out leases[i], out _));

        List<PortLease> granted = [.. leases.OfType<PortLease>()];
        granted.Should().HaveCount(Count);
        granted.Select(lease => lease.Epoch).Should().OnlyHaveUniqueItems();
        if (!ProcessPicks)
        {
            granted.Select(lease => lease.Port).Should().BeEquivalentTo(Enumerable.Range(range.First, Count));
        }
    }

    [Fact]
    public async Task Acquire_Granted_ShowsTheStrategyEverywhere()
    {
        await using Scene scene = MakeScene(out PortRange range);

        PortLease lease = scene.Acquire("b1");
        scene.Registry.TryGetEntry("b1", out PortEntry reserved).Should().BeTrue();
        PortEntry bound = scene.Here.Register("b1", PortFor(lease, range.First), lease.Epoch);

        lease.Strategy.Should().Be(Name);
        reserved.Should().BeEquivalentTo(new { Strategy = Name, State = PortState.Reserved, lease.Epoch });
        bound.Should().BeEquivalentTo(new { Strategy = Name, State = PortState.Bound, lease.Epoch });
    }

    [Fact]
    public async Task Acquire_ThenRegisterAndRelease_IsOneCodeForAllStrategies()
    {
        await using Scene scene = MakeScene(out PortRange range);

        PortLease lease = await scene.Registry.AcquireAsync("b1").Within();
        int port = PortFor(lease, range.Last);
        await scene.Here.RegisterAsync(new PortClaimRequest("b1", port) { Epoch = lease.Epoch }).Within();
        PortEntry entry = await lease.WhenBound.Within();

        entry.Port.Should().Be(port);
        lease.Port.Should().Be(port);
        scene.PortOf("b1").Should().Be(port);
        await lease.ReleaseAsync().Within();
        scene.PortOf("b1").Should().Be(0);
        scene.StateOf(port).Should().Be(PortState.Cooling);
    }

    [Fact]
    public async Task Acquire_NamedInTheRequest_OverridesTheOptions()
    {
        await using Scene scene = MakeScene(out PortRange range, options => options.Strategy = ProcessPicks ? "AllocatorPicks" : "ProcessBinds");

        PortLease lease = scene.Acquire(new PortRequest("b1") { Strategy = Name });

        lease.Strategy.Should().Be(Name);
        (lease.Port == 0).Should().Be(ProcessPicks);
        (lease.Port == 0 || range.Contains(lease.Port)).Should().BeTrue();
    }

    protected static string OwnerOf(int i) => FormattableString.Invariant($"owner{i}");

    private protected Scene MakeScene(out PortRange range, Action<PortRegistryOptions>? configure = null)
    {
        PortRange ports = range = new PortRange(Scene.First, Scene.First + Count - 1);
        return new Scene(ports.ToString(), options =>
        {
            Configure(options, ports);
            configure?.Invoke(options);
        });
    }

    /// <summary>The lease's number, or the process's own choice where the lease leaves it
    /// open.</summary>
    private static int PortFor(PortLease lease, int choice) => lease.Port != 0 ? lease.Port : choice;

    private static PortEntry AcquireAndRegister(Scene scene, PortRange range, int i) => AcquireAndRegister(scene, range.First + i, i);

    private static PortEntry AcquireAndRegister(Scene scene, int choice, int i)
    {
        PortLease lease = scene.Acquire(OwnerOf(i));
        return scene.Here.Register(OwnerOf(i), PortFor(lease, choice), lease.Epoch);
    }
}
