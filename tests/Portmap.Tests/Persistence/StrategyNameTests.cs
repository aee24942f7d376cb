using Microsoft.Extensions.Options;

namespace Portmap.Tests.Persistence;

/// <summary>Whatever text comes to a line of the state fits it: a name that would not is refused
/// when the registry is made, and costs nobody a change.</summary>
public sealed class StrategyNameTests
{
    [Theory]
    [InlineData("s", 4_097)]
    [InlineData("#", 70_000)]
    [InlineData("\u20ac", 1_366)]
    [InlineData("\U0001F9F1", 1_025)]
    public void Options_NameOfAStrategyIsTooLong_IsNamedWithItsBound(string unit, int count)
    {
        string name = string.Concat(Enumerable.Repeat(unit, count));
        PortRegistryOptions options = new PortRegistryOptions().AddStrategy(new Named(name));
        FluentActions.Invoking(() => new PortRegistry(options)).Should().Throw<OptionsValidationException>()
            .WithMessage("*AddStrategy*4096*shorten*").Which.Message.Length.Should().BeLessThan(1_000);
    }

    [Theory]
    [InlineData("half", 0xD83E, "")]
    [InlineData("", 0xDDF1, "half")]
    [InlineData("", 0xD83E, "")]
    public void Options_NameOfAStrategyIsNoUnicode_IsRefused(string before, int unit, string after)
    {
        string name = before + (char)unit + after;   // an attribute cannot hold it
        PortRegistryOptions options = new PortRegistryOptions().AddStrategy(new Named(name));
        FluentActions.Invoking(() => new PortRegistry(options)).Should().Throw<OptionsValidationException>().WithMessage("*AddStrategy*surrogate*");
    }

    [Theory]
    [InlineData("s", 4_096)]
    [InlineData("#", 4_096)]
    [InlineData(" ", 4_096)]
    [InlineData("\u0001", 4_096)]
    [InlineData("\u20ac", 1_365)]
    public async Task Names_AsLongAsTheyMayBe_FitALineAndComeBack(string unit, int count)
    {
        using StateFolderOfTest folder = new();
        string name = string.Concat(Enumerable.Repeat(unit, count));
        string owner = new('#', OwnerName.MaxBytes);
        long epoch;
        await using (PortRegistry registry = await PortRegistry.OpenAsync(Options(folder, name)).Within())
        {
            PortLease lease = await registry.AcquireAsync(new PortRequest(owner) { Strategy = name }).AsTask().Within();
            await registry.OpenSession(Environment.ProcessId).RegisterAsync(new PortClaimRequest("another", 20050)).AsTask().Within();
            epoch = lease.Epoch;
        }

        await using PortRegistry again = await PortRegistry.OpenAsync(Options(folder, name)).Within();
        again.TryGetEntry(owner, out PortEntry entry).Should().BeTrue();
        (entry.Epoch, entry.Strategy).Should().Be((epoch, name));
    }

    [Fact]
    public async Task Strategy_ChangesItsNameLater_KeepsTheOneThatWasChecked()
    {
        FakePortStore store = new();
        Named strategy = new("Mine");
        PortRegistryOptions options = new PortRegistryOptions { Ports = "20000-20099", Probe = false }.AddStrategy(strategy);
        options.Strategy = "Mine";
        await using PortRegistry registry = await PortRegistry.OpenAsync(options, store).Within();
        foreach (string? name in (string?[])[new string('x', 100_000), string.Empty, null, "AllocatorPicks"])
        {
            strategy.Name = name!;
            PortLease lease = await registry.AcquireAsync(new PortRequest($"a{name?.Length}") { Strategy = "Mine" }).AsTask().Within();
            lease.Strategy.Should().Be("Mine");
        }

        store.Facts.Should().HaveCount(4).And.OnlyContain(fact => fact.Strategy == "Mine");
    }

    private static PortRegistryOptions Options(StateFolderOfTest folder, string name) =>
        new PortRegistryOptions { Ports = "20000-20099", Probe = false, StateFolder = folder.Path }.AddStrategy(new Named(name));

    private sealed class Named(string name) : IPortAllocationStrategy
    {
        public string Name { get; set; } = name;

        public int Pick(PortSearch search) => search.FindFree(20_000);
    }
}
