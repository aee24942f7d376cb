using System.Globalization;
using Xunit;

namespace Portmap.Testing;

/// <summary>What every <see cref="IPortAllocationStrategy"/> must keep, seen through a registry that
/// uses it, as tests of xunit: inherit the class, and add what your strategy promises
/// beyond.</summary>
public abstract class PortAllocationStrategyContract
{
    private const int First = 20_000;
    private const int Count = 10;

    /// <summary>The strategy's name.</summary>
    protected abstract string Name { get; }

    /// <summary>Whether the process picks the number, so that a lease has none yet.</summary>
    protected virtual bool ProcessPicks => false;

    /// <summary>Makes the strategy the one of these options: a strategy of your own is added to them
    /// here, by <see cref="PortRegistryOptions.AddStrategy"/>.</summary>
    /// <param name="options">The options.</param>
    /// <param name="range">The ports that are handed out.</param>
    protected virtual void Configure(PortRegistryOptions options, PortRange range)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Strategy = Name;
    }

    /// <summary>Each port of the range is given, once.</summary>
    [Fact]
    public async Task Acquire_WholeRange_ReachesEveryPortOnce()
    {
        await using PortTestWorld world = CreateWorld(out PortRange range);
        List<int> ports = [];
        for (int i = 0; i < Count; i++)
        {
            ports.Add((await ServeAsync(world, OwnerOf(i), range.First + i)).Port);
        }

        Assert.Equal(Enumerable.Range(range.First, Count), ports.Order());
    }

    /// <summary>A full range is Exhausted, as a value; or the lease leaves it to the process to find
    /// a port that the registry does not know.</summary>
    [Fact]
    public async Task Acquire_FullRange_IsExhaustedAsAValueOrLeftToTheProcess()
    {
        await using PortTestWorld world = CreateWorld(out PortRange range);
        for (int i = 0; i < Count; i++)
        {
            await ServeAsync(world, OwnerOf(i), range.First + i);
        }

        bool isGiven = world.Registry.TryAcquire("one more", out PortLease? lease, out PortRefusal? refusal);

        Assert.Equal(ProcessPicks, isGiven);
        if (ProcessPicks)
        {
            Assert.Equal(0, lease!.Port);
        }
        else
        {
            Assert.Equal(PortRefusalReason.Exhausted, refusal!.Reason);
            Assert.Contains(range.ToString(), refusal.Message, StringComparison.Ordinal);
        }
    }

    /// <summary>The last free port is found, wherever it is.</summary>
    [Fact]
    public async Task Acquire_OnePortLeft_FindsIt()
    {
        await using PortTestWorld world = CreateWorld(out PortRange range, options => options.ReuseDelay = TimeSpan.Zero);
        for (int i = 0; i < Count; i++)
        {
            await ServeAsync(world, OwnerOf(i), range.First + i);
        }

        foreach (int i in (int[])[0, Count - 1, Count / 2])
        {
            int port = world.PortOf(OwnerOf(i))!.Value;
            world.Machine.HolderOf(port)!.Kill();
            Assert.Null(world.PortOf(OwnerOf(i)));

            Assert.Equal(port, (await ServeAsync(world, OwnerOf(i), port)).Port);
        }
    }

    /// <summary>Excluded ports are never given.</summary>
    [Fact]
    public async Task Acquire_Excluded_AreNotHandedOut()
    {
        await using PortTestWorld world = CreateWorld(out PortRange range, options => options.Exclude = "20000,20004-20005,20009");

        List<int> ports = [.. Enumerable.Range(0, Count - 4).Select(i => Acquire(world, OwnerOf(i)).Port)];

        Assert.Empty(ports.Intersect([20_000, 20_004, 20_005, 20_009]));
        if (!ProcessPicks)
        {
            Assert.Equal(ports.Count, ports.Distinct().Count());
            Assert.All(ports, port => Assert.True(range.Contains(port)));
            Assert.Equal(PortRefusalReason.Exhausted, Refusal(world, "one more").Reason);
        }
    }

    /// <summary>A port that a stranger has is passed over, and the rest is found.</summary>
    [Fact]
    public async Task Acquire_StrangersHaveSome_GivesTheOthers()
    {
        await using PortTestWorld world = CreateWorld(out PortRange range);
        int[] taken = [range.First, range.First + 3, range.Last];
        Array.ForEach(taken, port => world.Occupy(port));

        List<int> ports = [.. Enumerable.Range(0, Count - taken.Length).Select(i => Acquire(world, OwnerOf(i)).Port)];

        if (!ProcessPicks)
        {
            Assert.Equal(Enumerable.Range(range.First, Count).Except(taken), ports.Order());
        }
    }

    /// <summary>Eight threads that ask at once are never given one port twice, and find all of
    /// them.</summary>
    [Fact]
    public async Task Acquire_ManyThreads_NoPortTwice()
    {
        await using PortTestWorld world = CreateWorld(out PortRange range);
        PortLease?[] leases = new PortLease?[ProcessPicks ? Count : Count * 2];

        Parallel.For(0, leases.Length, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i => world.Registry.TryAcquire(OwnerOf(i), out leases[i], out _));

        List<PortLease> granted = [.. leases.OfType<PortLease>()];
        Assert.Equal(Count, granted.Count);
        Assert.Equal(Count, granted.Select(lease => lease.Epoch).Distinct().Count());
        if (!ProcessPicks)
        {
            Assert.Equal(Enumerable.Range(range.First, Count), granted.Select(lease => lease.Port).Order());
        }
    }

    /// <summary>The lease and the entry name the strategy.</summary>
    [Fact]
    public async Task Acquire_Granted_ShowsTheStrategyEverywhere()
    {
        await using PortTestWorld world = CreateWorld(out PortRange range);

        PortLease lease = Acquire(world, "b1");
        Assert.True(world.Registry.TryGetEntry("b1", out PortEntry reserved));
        PortEntry bound = await RegisterAsync(world, lease, range.First);

        Assert.Equal(Name, lease.Strategy);
        Assert.Equal((Name, PortState.Reserved, lease.Epoch), (reserved.Strategy, reserved.State, reserved.Epoch));
        Assert.Equal((Name, PortState.Bound, lease.Epoch), (bound.Strategy, bound.State, bound.Epoch));
    }

    /// <summary>From the acquisition to the release the host's code and the worker's are the same
    /// for all strategies.</summary>
    [Fact]
    public async Task Acquire_ThenRegisterAndRelease_IsOneCodeForAllStrategies()
    {
        await using PortTestWorld world = CreateWorld(out PortRange range);

        PortLease lease = await world.Registry.AcquireAsync("b1");
        PortEntry registered = await RegisterAsync(world, lease, range.Last);
        PortEntry entry = await lease.WhenBound.WaitAsync(TimeSpan.FromSeconds(30));

        Assert.Equal((registered.Port, registered.Port), (entry.Port, lease.Port));
        Assert.Equal(entry.Port, world.PortOf("b1"));
        await lease.ReleaseAsync();
        Assert.Null(world.PortOf("b1"));
        Assert.Equal(PortState.Cooling, world.StateOf(entry.Port));
    }

    /// <summary>A request may name the strategy where the options name another one.</summary>
    [Fact]
    public async Task Acquire_NamedInTheRequest_OverridesTheOptions()
    {
        await using PortTestWorld world = CreateWorld(out PortRange range, options =>
            options.Strategy = ProcessPicks ? PortRegistryOptions.AllocatorPicks : PortRegistryOptions.ProcessBinds);

        PortLease lease = Acquire(world, new PortRequest("b1") { Strategy = Name });

        Assert.Equal(Name, lease.Strategy);
        Assert.Equal(ProcessPicks, lease.Port == 0);
        Assert.True(lease.Port == 0 || range.Contains(lease.Port));
    }

    /// <summary>Makes a registry of ten ports that uses the strategy.</summary>
    /// <param name="range">The ports.</param>
    /// <param name="configure">Sets more options, after <see cref="Configure"/>.</param>
    protected PortTestWorld CreateWorld(out PortRange range, Action<PortRegistryOptions>? configure = null)
    {
        PortRange ports = range = new PortRange(First, First + Count - 1);
        return new PortTestWorld(options =>
        {
            options.Ports = ports.ToString();
            Configure(options, ports);
            configure?.Invoke(options);
        });
    }

    private static string OwnerOf(int i) => string.Create(CultureInfo.InvariantCulture, $"owner{i}");

    private static PortLease Acquire(PortTestWorld world, PortRequest request)
    {
        Assert.True(world.Registry.TryAcquire(request, out PortLease? lease, out PortRefusal? refusal), refusal?.Message);
        return lease;
    }

    private static PortRefusal Refusal(PortTestWorld world, PortRequest request)
    {
        Assert.False(world.Registry.TryAcquire(request, out PortLease? lease, out PortRefusal? refusal), $"port {lease?.Port} was given");
        return refusal;
    }

    private static Task<PortEntry> ServeAsync(PortTestWorld world, string owner, int choice) => RegisterAsync(world, Acquire(world, owner), choice);

    /// <summary>A process listens on the lease's number, or on its own choice where the lease leaves
    /// it open, and registers.</summary>
    private static async Task<PortEntry> RegisterAsync(PortTestWorld world, PortLease lease, int choice)
    {
        int port = lease.Port != 0 ? lease.Port : choice;
        FakeProcess process = world.StartProcess();
        process.Listen(port);
        return await process.Connect(world.Registry).RegisterAsync(new PortClaimRequest(lease.Owner, port) { Epoch = lease.Epoch });
    }
}
