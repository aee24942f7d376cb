using System.Globalization;
using System.Reflection;
using Microsoft.Extensions.Options;

namespace Portmap.Tests;

/// <summary>Each wrong option value is named with its bound and what to do; both ends of every
/// bound are accepted.</summary>
public class PortRegistryOptionsTests
{
    public static TheoryData<string, Action<PortRegistryOptions>, string> WrongValues { get; } = new()
    {
        { "Ports", o => o.Ports = null!, "65535" },
        { "Ports", o => o.Ports = "", "65535" },
        { "Ports", o => o.Ports = "all", "all.*FIRST-LAST" },
        { "Ports", o => o.Ports = "65535-49152", "65535-49152.*49152-65535" },
        { "Ports", o => o.Ports = "0-10", "0-10.*65535" },
        { "Ports", o => o.Ports = "1-65536", "1-65536.*65535" },
        { "Ports", o => o.Ports = "7000-7099,7000-7099", "7000-7099.*twice" },
        { "Ports", o => o.Ports = "7000-7099,49152-65535,7050-7150", "7000-7099 and 7050-7150 overlap in 7050-7099" },
        { "Ports", o => o.Ports = "7000-7099,", "FIRST-LAST" },
        { "Exclude", o => (o.Ports, o.Exclude) = ("7000,7002", "7000-7002"), "7000-7002.*leaves no port" },
        { "Exclude", o => o.Exclude = null!, "50000|empty" },
        { "Exclude", o => o.Exclude = "50000,x", "x" },
        { "Exclude", o => o.Exclude = "50000-", "50000-" },
        { "Exclude", o => o.Exclude = "50001-50000", "50001-50000" },
        { "Exclude", o => o.Exclude = "70000", "70000.*65535" },
        { "Exclude", o => o.Exclude = "1-65535", "1-65535.*49152-65535" },
        { "KeptPorts", o => o.KeptPorts["b1"] = 7000, "'b1'.*7000 is not one of 49152-65535" },
        { "KeptPorts", o => o.KeptPorts["b1"] = 0, "'b1'.*0 is not one of" },
        { "KeptPorts", o => o.KeptPorts[""] = 50000, "''.*4,?096|empty" },
        { "KeptPorts", o => o.KeptPorts["a\0b"] = 50000, "u0000" },
        { "KeptPorts", o => (o.KeptPorts["b1"], o.Exclude) = (50000, "50000-50001"), "'b1'.*50000 is excluded .50000-50001" },
        { "KeptPorts", o => (o.KeptPorts["b1"], o.KeptPorts["b2"]) = (50000, 50000), "50000 is kept for '(b1|b2)' already" },
        { "Strategy", o => o.Strategy = null!, "ProcessBinds" },
        { "Strategy", o => o.Strategy = "", "ProcessBinds" },
        { "Strategy", o => o.Strategy = "Guess", "Guess.*AllocatorPicks|Guess.*ProcessBinds" },
        { "Strategy", o => o.Strategy = "processbinds", "processbinds.*ProcessBinds" },
        { "Order", o => o.Order = (PortOrder)7, "7" },
        { "Reuse", o => o.Reuse = (PortReuse)(-1), "-1" },
        { "LeaseTimeout", o => o.LeaseTimeout = TimeSpan.FromMilliseconds(99), "100 ?ms|0[.,]1|00:00:00.1" },
        { "LeaseTimeout", o => o.LeaseTimeout = TimeSpan.FromHours(25), "24|1\\.00:00:00" },
        { "LeaseTimeout", o => o.LeaseTimeout = Timeout.InfiniteTimeSpan, "24|1\\.00:00:00" },
        { "LeaseTimeout", o => o.LeaseTimeout = TimeSpan.FromHours(36), "to 1\\.00:00:00\\.$" },
        { "LeaseTimeout", o => o.LeaseTimeout = TimeSpan.Parse("60", CultureInfo.InvariantCulture), "1\\.00:00:00\\. In configuration a number alone counts days: 60 s is written 00:01:00\\.$" },
        { "LivenessInterval", o => o.LivenessInterval = TimeSpan.FromHours(-24), "01:00:00\\.$" },
        { "ReuseDelay", o => o.ReuseDelay = TimeSpan.FromTicks(-1), "24|1\\.00:00:00" },
        { "ReuseDelay", o => o.ReuseDelay = TimeSpan.MaxValue, "24|1\\.00:00:00" },
        { "DisconnectGrace", o => o.DisconnectGrace = TimeSpan.FromSeconds(-1), "1 ?h|01:00:00" },
        { "DisconnectGrace", o => o.DisconnectGrace = TimeSpan.FromHours(2), "1 ?h|01:00:00" },
        { "LivenessInterval", o => o.LivenessInterval = TimeSpan.Zero, "50 ?ms|00:00:00.05" },
        { "LivenessInterval", o => o.LivenessInterval = TimeSpan.FromHours(2), "1 ?h|01:00:00" },
        { "Guard", o => o.Guard = (PortGuardMode)77, "77.*WhileAlive" },
        { "Durability", o => o.Durability = (PortDurability)77, "77.*Confirmed" },
        { "ReconcileInterval", o => o.ReconcileInterval = TimeSpan.FromMilliseconds(99), "00:00:00.1" },
        { "ReconcileInterval", o => o.ReconcileInterval = TimeSpan.FromHours(25), "1\\.00:00:00" },
        { "BackgroundFlush", o => o.BackgroundFlush = TimeSpan.FromTicks(9_999), "00:00:00.001" },
        { "BackgroundFlush", o => o.BackgroundFlush = TimeSpan.FromSeconds(61), "00:01:00" },
        { "OpenTimeout", o => o.OpenTimeout = TimeSpan.FromMilliseconds(99), "00:00:00.1" },
        { "OpenTimeout", o => o.OpenTimeout = TimeSpan.FromMinutes(61), "01:00:00" },
        { "ForeignRecheck", o => o.ForeignRecheck = TimeSpan.Zero, "100 ?ms|00:00:00.1" },
        { "ForeignRecheck", o => o.ForeignRecheck = TimeSpan.FromHours(25), "24|1\\.00:00:00" },
        { "BindAttempts", o => o.BindAttempts = 0, "0.*1,?000" },
        { "BindAttempts", o => o.BindAttempts = 1001, "1,?001.*1,?000" },
        { "MaxOwners", o => o.MaxOwners = 0, "0.*1,?048,?576" },
        { "MaxOwners", o => o.MaxOwners = 1_048_577, "1,?048,?577.*1,?048,?576" },
        { "MaxGuards", o => o.MaxGuards = -1, "-1.*131,?072" },
        { "MaxGuards", o => o.MaxGuards = 131_073, "131,?073.*131,?072" },
        { "WatchCapacity", o => o.WatchCapacity = 15, "15.*16" },
        { "WatchCapacity", o => o.WatchCapacity = int.MaxValue, "1,?048,?576" },
        { "Endpoint", o => o.Endpoint = "http://localhost", "http://localhost.*unix:" },
        { "Endpoint", o => o.Endpoint = "unix:", "unix:" },
        { "Endpoint", o => o.Endpoint = "unix:/" + new string('s', 107), "107" },
        { "Endpoint", o => o.Endpoint = "unix:portmap.sock", "unix:portmap.sock.*absolute" },
        { "Endpoint", o => o.Endpoint = "tcp:127.0.0.1", "tcp:" },
        { "Endpoint", o => o.Endpoint = "tcp:127.0.0.1:65536", "65535|65536" },
        { "AddStrategy", o => AddStrategies(o, 254), "256 strategies.*255" },
    };

    [Theory]
    [InlineData("state")]
    [InlineData("./state")]
    [InlineData("../state")]
    public async Task OpenAsync_RelativeStateFolder_IsNamedWithAnAbsoluteOne(string folder)
    {
        Func<Task> open = () => PortRegistry.OpenAsync(new PortRegistryOptions { StateFolder = folder }).Within();

        await open.Should().ThrowAsync<OptionsValidationException>().WithMessage($"*StateFolder*'{folder}'*relative*'{Path.GetFullPath(folder)}'*");
    }

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("/a\0b")]
    public async Task OpenAsync_StateFolderThatIsNoName_IsNamed(string folder)
    {
        Func<Task> open = () => PortRegistry.OpenAsync(new PortRegistryOptions { StateFolder = folder }).Within();

        (await open.Should().ThrowAsync<OptionsValidationException>()).Which.Failures.Should().ContainSingle()
            .Which.Should().StartWith($"StateFolder is '{folder.Replace("\0", "\\0", StringComparison.Ordinal)}'; name a folder");
    }

    public static TheoryData<Action<PortRegistryOptions>> BoundaryValues { get; } = new()
    {
        o => o.Ports = "1-65535",
        o => o.Ports = "65535",
        o => o.Ports = " 49152-65535 , 7000-7099, 80",
        o => o.Exclude = " 50000 , 51000-51999 ",
        o => o.Exclude = "80",
        o => o.Strategy = PortRegistryOptions.AllocatorPicks,
        o => o.LeaseTimeout = TimeSpan.FromMilliseconds(100),
        o => o.LeaseTimeout = TimeSpan.FromHours(24),
        o => o.ReuseDelay = TimeSpan.Zero,
        o => o.ReuseDelay = TimeSpan.FromHours(24),
        o => o.DisconnectGrace = TimeSpan.Zero,
        o => o.DisconnectGrace = TimeSpan.FromHours(1),
        o => o.LivenessInterval = TimeSpan.FromMilliseconds(50),
        o => o.LivenessInterval = TimeSpan.FromHours(1),
        o => o.ForeignRecheck = TimeSpan.FromMilliseconds(100),
        o => o.ForeignRecheck = TimeSpan.FromHours(24),
        o => o.BindAttempts = 1,
        o => o.BindAttempts = 1000,
        o => o.ReconcileInterval = TimeSpan.FromMilliseconds(100),
        o => o.ReconcileInterval = TimeSpan.FromHours(24),
        o => o.BackgroundFlush = TimeSpan.FromMilliseconds(1),
        o => o.BackgroundFlush = TimeSpan.FromMinutes(1),
        o => o.OpenTimeout = TimeSpan.FromMilliseconds(100),
        o => o.OpenTimeout = TimeSpan.FromHours(1),
        o => o.MaxGuards = 0,
        o => o.MaxGuards = 131_072,
        o => AddStrategies(o, 253),
        o => o.MaxOwners = 1,
        o => o.MaxOwners = 1_048_576,
        o => o.WatchCapacity = 16,
        o => o.WatchCapacity = 1_048_576,
        o => o.Endpoint = "unix:/" + new string('s', 106),
        o => o.Endpoint = "tcp:127.0.0.1:24007",
        o => o.Endpoint = "tcp:[::1]:24007",
    };

    [Theory]
    [MemberData(nameof(WrongValues))]
    public void Constructor_WrongValue_IsNamedWithBoundAndRemedy(string name, Action<PortRegistryOptions> spoil, string expected)
    {
        PortRegistryOptions options = new();
        spoil(options);

        Action make = () => new PortRegistry(options).Dispose();

        make.Should().Throw<OptionsValidationException>().Which.Failures
            .Should().ContainSingle().Which.Should().Contain(name).And.MatchRegex(expected);
    }

    [Theory]
    [MemberData(nameof(BoundaryValues))]
    public void Constructor_ValueOnItsBound_IsAccepted(Action<PortRegistryOptions> set)
    {
        PortRegistryOptions options = new();
        set(options);

        Action make = () => new PortRegistry(options).Dispose();

        make.Should().NotThrow();
    }

    [Fact]
    public void WrongValues_EachNumberTimeAndEnum_IsTriedPastItsBounds()
    {
        PortRegistryOptions defaults = new();
        foreach (PropertyInfo option in typeof(PortRegistryOptions).GetProperties().Where(property => property.PropertyType.IsEnum || property.PropertyType == typeof(int) || property.PropertyType == typeof(TimeSpan)))
        {
            IComparable[] tried = [.. WrongValues.Where(row => (string)row[0] == option.Name).Select(row =>
            {
                PortRegistryOptions options = new();
                ((Action<PortRegistryOptions>)row[1])(options);
                return (IComparable)option.GetValue(options)!;
            })];

            tried.Should().NotBeEmpty("{0} has bounds", option.Name);
            if (!option.PropertyType.IsEnum)
            {
                tried.Should().Contain(value => value.CompareTo(option.GetValue(defaults)) < 0, "{0} has a lower bound", option.Name)
                    .And.Contain(value => value.CompareTo(option.GetValue(defaults)) > 0, "{0} has an upper bound", option.Name);
            }
        }
    }

    [Fact]
    public void Constructor_SeveralWrongValues_NamesThemAll()
    {
        PortRegistryOptions options = new() { Ports = "9-1", BindAttempts = 0, ReuseDelay = TimeSpan.FromSeconds(-1) };

        Action make = () => new PortRegistry(options).Dispose();

        make.Should().Throw<OptionsValidationException>().Which.Failures.Should().HaveCount(3)
            .And.Contain(failure => failure.Contains("Ports"))
            .And.Contain(failure => failure.Contains("BindAttempts"))
            .And.Contain(failure => failure.Contains("ReuseDelay"));
    }

    [Fact]
    public void Constructor_NullOptions_Throws()
    {
        Action make = () => new PortRegistry(null!).Dispose();

        make.Should().Throw<ArgumentNullException>();
    }

    [Fact]
    public void Constructor_GuardPassSocketForAll_IsNamed()
    {
        Action make = () => new PortRegistry(new PortRegistryOptions { Guard = PortGuardMode.PassSocket }).Dispose();

        make.Should().Throw<OptionsValidationException>().WithMessage("*Guard is PassSocket*PortRequest.Guard*");
    }

    [Theory]
    [InlineData("AllocatorPicks")]
    [InlineData("ProcessBinds")]
    [InlineData("")]
    public void Constructor_StrategyNameTakenOrEmpty_IsNamed(string name)
    {
        PortRegistryOptions options = new PortRegistryOptions().AddStrategy(new NamedStrategy(name));

        Action make = () => new PortRegistry(options).Dispose();

        make.Should().Throw<OptionsValidationException>().WithMessage($"*{name}*");
    }

    [Fact]
    public void Constructor_TwoStrategiesOfOneName_IsNamed()
    {
        PortRegistryOptions options = new PortRegistryOptions().AddStrategy(new NamedStrategy("Mine")).AddStrategy(new NamedStrategy("Mine"));

        Action make = () => new PortRegistry(options).Dispose();

        make.Should().Throw<OptionsValidationException>().WithMessage("*Mine*");
    }

    [Fact]
    public void AddStrategy_Null_Throws()
    {
        Action add = () => new PortRegistryOptions().AddStrategy(null!);

        add.Should().Throw<ArgumentNullException>();
    }

    [Fact]
    public void Constructor_OptionsChangedAfterwards_KeepsWhatItRead()
    {
        PortRegistryOptions options = new() { Ports = "20000", Probe = false, Strategy = PortRegistryOptions.AllocatorPicks };
        using PortRegistry registry = new(options);

        options.Ports = "30000";

        registry.TryAcquire("b1", out PortLease? lease, out _).Should().BeTrue();
        lease!.Port.Should().Be(20000);
    }

    [Fact]
    public void Defaults_NewOptions_AreThoseOfTheDesign() => new PortRegistryOptions().Should().BeEquivalentTo(new
    {
        Ports = "49152-65535",
        Exclude = "",
        Strategy = PortRegistryOptions.ProcessBinds,
        Order = PortOrder.NextFit,
        Reuse = PortReuse.Fresh,
        LeaseTimeout = TimeSpan.FromSeconds(60),
        ReuseDelay = TimeSpan.FromSeconds(60),
        ReuseCooling = true,
        DisconnectGrace = TimeSpan.FromSeconds(10),
        LivenessInterval = TimeSpan.FromSeconds(1),
        ForeignRecheck = TimeSpan.FromSeconds(30),
        BindAttempts = 8,
        MaxOwners = 65_536,
        WatchCapacity = 4_096,
        Probe = true,
        Endpoint = (string?)null,
    });

    private static void AddStrategies(PortRegistryOptions options, int count)
    {
        for (int i = 0; i < count; i++)
        {
            options.AddStrategy(new NamedStrategy(FormattableString.Invariant($"S{i}")));
        }
    }

    private sealed class NamedStrategy(string name) : IPortAllocationStrategy
    {
        public string Name { get; } = name;

        public int Pick(PortSearch search) => PortSearch.Nothing;
    }
}
