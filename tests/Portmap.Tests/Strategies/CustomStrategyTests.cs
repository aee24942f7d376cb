using Portmap.Tests.Support;

namespace Portmap.Tests.Strategies;

/// <summary>A strategy of the host's own keeps the contract, and one that misbehaves harms nobody:
/// the table decides.</summary>
public sealed class CustomStrategyTests : PortAllocationStrategyContract
{
    protected override string Name => "Downwards";

    protected override void Configure(PortRegistryOptions options, PortRange range)
    {
        base.Configure(options, range);
        options.AddStrategy(new Downwards(range));
    }

    [Theory]
    [InlineData(19999)]
    [InlineData(20010)]
    [InlineData(65536)]
    [InlineData(int.MaxValue)]
    [InlineData(int.MinValue)]
    [InlineData(-2)]
    public async Task Acquire_StrategyLeavesTheRange_IsNeverObeyed(int answer)
    {
        Stubborn stubborn = new(answer);
        await using Scene scene = new(configure: options => options.AddStrategy(stubborn).Strategy = stubborn.Name);

        scene.AcquireRefused("b1").ShouldExplain(PortRefusalReason.StrategyOfferedNothing, "Stubborn", answer, "are free", Scene.First);
        scene.Registry.Snapshot().Entries.Should().BeEmpty();
    }

    [Fact]
    public async Task Acquire_StrategyInsistsOnATakenPort_IsAskedABoundedNumberOfTimes()
    {
        Stubborn stubborn = new(Scene.First);
        await using Scene scene = new(configure: options => options.AddStrategy(stubborn).Strategy = stubborn.Name);
        scene.Acquire("b1").Port.Should().Be(Scene.First);
        stubborn.Calls = 0;

        scene.AcquireRefused("b2").ShouldExplain(PortRefusalReason.StrategyOfferedNothing, "Stubborn", Scene.First).Message.Should().NotContain("Widen");

        stubborn.Calls.Should().BeInRange(1, 1 + (2 * 10));
    }

    [Fact]
    public async Task Acquire_StrategyFindsNothingThoughPortsAreFree_IsNamed()
    {
        Stubborn stubborn = new(PortSearch.Nothing);
        await using Scene scene = new(configure: options => options.AddStrategy(stubborn).Strategy = stubborn.Name);

        scene.AcquireRefused("b1").ShouldExplain(PortRefusalReason.StrategyOfferedNothing, "Stubborn", "nothing");
        stubborn.Calls.Should().BeInRange(1, 1 + (2 * 10));
    }

    [Theory]
    [InlineData(PortSearch.Nothing)]
    [InlineData(Scene.First)]
    [InlineData(19999)]
    public async Task Acquire_StrategyOffersNothingAndNothingIsFree_IsExhausted(int answer)
    {
        Stubborn stubborn = new(answer);
        await using Scene scene = new(configure: options => options.AddStrategy(stubborn));
        for (int i = 0; i < 10; i++)
        {
            scene.Acquire(FormattableString.Invariant($"other{i}"));
        }

        scene.AcquireRefused(new PortRequest("b1") { Strategy = stubborn.Name }).ShouldExplain(PortRefusalReason.Exhausted, "20000-20009", "Widen");
    }

    [Fact]
    public async Task Acquire_UnknownStrategy_NamesThoseThereAre()
    {
        await using PortTestWorld world = CreateWorld(out _);

        world.Registry.TryAcquire(new PortRequest("b1") { Strategy = "Guess" }, out _, out PortRefusal? refusal).Should().BeFalse();

        refusal.ShouldExplain(PortRefusalReason.UnknownStrategy, "Guess", "AllocatorPicks", "ProcessBinds", Name);
    }

    /// <summary>From the highest port down, round and round; a cursor per thread, so that one
    /// search is not led past a port by another.</summary>
    private sealed class Downwards(PortRange range) : IPortAllocationStrategy, IDisposable
    {
        private readonly ThreadLocal<int> _cursor = new();

        public string Name => "Downwards";

        public int Pick(PortSearch search) => range.Last - (_cursor.Value++ % range.Count);

        public void Dispose() => _cursor.Dispose();
    }

    private sealed class Stubborn(int answer) : IPortAllocationStrategy
    {
        public string Name => "Stubborn";

        public int Calls { get; set; }

        public int Pick(PortSearch search)
        {
            Calls++;
            return answer;
        }
    }
}
