using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Portmap.Tests.Support;

namespace Portmap.Tests;

/// <summary>The host binds the options from its configuration, by the reflection binder or by the
/// generated one; both must say what is wrong.</summary>
public class PortmapExtensionsTests
{
    public enum Binder
    {
        Generated,
        Reflection,
    }

    public static TheoryData<Binder> Binders { get; } = new() { Binder.Generated, Binder.Reflection };

    [Theory]
    [MemberData(nameof(Binders))]
    public void AddPortmap_GoodConfiguration_ReachesTheRegistry(Binder binder)
    {
        using ServiceProvider services = Configure(
            binder,
            ("Ports", "20000-20001,20005"),
            ("Exclude", "20000"),
            ("KeptPorts:b/kept", "20005"),
            ("Strategy", "AllocatorPicks"),
            ("Order", "LowestFree"),
            ("Reuse", "Prefer"),
            ("LeaseTimeout", "00:00:05"),
            ("Probe", "false"),
            ("MaxOwners", "7"));

        PortRegistryOptions options = services.GetRequiredService<IOptions<PortRegistryOptions>>().Value;
        services.GetRequiredService<PortRegistry>().TryAcquire("b1", out PortLease? lease, out _).Should().BeTrue();

        lease!.Port.Should().Be(20001);
        options.KeptPorts.Should().Equal(new Dictionary<string, int> { ["b/kept"] = 20005 });
        options.Should().BeEquivalentTo(new
        {
            Order = PortOrder.LowestFree,
            Reuse = PortReuse.Prefer,
            LeaseTimeout = TimeSpan.FromSeconds(5),
            MaxOwners = 7,
        });
    }

    [Theory]
    [MemberData(nameof(Binders))]
    public void AddPortmap_WrongKeptPort_IsNamed(Binder binder)
    {
        using ServiceProvider services = Configure(binder, ("Ports", "20000-20001"), ("KeptPorts:b1", "30000"));

        Action resolve = () => services.GetRequiredService<PortRegistry>();

        resolve.Should().Throw<OptionsValidationException>().WithMessage("*KeptPorts*'b1'*30000*20000-20001*");
    }

    [Theory]
    [MemberData(nameof(Binders))]
    public void AddPortmap_ReversedRange_IsNamedInsteadOfBoundSilently(Binder binder)
    {
        using ServiceProvider services = Configure(binder, ("Ports", "20001-20000"));

        Action resolve = () => services.GetRequiredService<PortRegistry>();

        resolve.Should().Throw<OptionsValidationException>().WithMessage("*Ports*20001-20000*20000-20001*");
    }

    [Theory]
    [MemberData(nameof(Binders))]
    public void AddPortmap_ValueOfAnotherType_NamesTheOption(Binder binder)
    {
        using ServiceProvider services = Configure(binder, ("LeaseTimeout", "soon"));

        Action resolve = () => services.GetRequiredService<PortRegistry>();

        resolve.Should().Throw<Exception>().WithMessage("*LeaseTimeout*");
    }

    [Theory]
    [MemberData(nameof(Binders))]
    public void AddPortmap_WrongValue_IsFoundAtStart(Binder binder)
    {
        using ServiceProvider services = Configure(binder, ("BindAttempts", "0"));

        Action start = () => services.GetRequiredService<IStartupValidator>().Validate();

        start.Should().Throw<OptionsValidationException>().WithMessage("*BindAttempts*");
    }

    [Fact]
    public void AddPortmap_Delegate_ConfiguresTheOneRegistry()
    {
        ServiceCollection collection = new();
        collection.AddPortmap(options => options.Ports = "20000").Configure(options => options.Probe = false);
        using ServiceProvider services = collection.BuildServiceProvider();

        PortRegistry registry = services.GetRequiredService<PortRegistry>();

        registry.TryAcquire(new PortRequest("b1") { Strategy = PortRegistryOptions.AllocatorPicks }, out PortLease? lease, out _).Should().BeTrue();
        lease!.Port.Should().Be(20000);
        services.GetRequiredService<PortRegistry>().Should().BeSameAs(registry);
    }

    [Fact]
    public void AddPortmap_LoggerInTheContainer_IsTheRegistrys()
    {
        LogLines log = new();
        ServiceCollection collection = new();
        collection.AddSingleton<ILogger<PortRegistry>>(log);
        collection.AddPortmap(options => options.Probe = false);
        using ServiceProvider services = collection.BuildServiceProvider();

        services.GetRequiredService<PortRegistry>().TryAcquire("b1", out _, out _).Should().BeTrue();

        log.Of("Acquired").Should().ContainSingle();
    }

    [Fact]
    public void AddPortmap_TimeProviderInTheContainer_IsTheRegistrysClock()
    {
        FakeTimeProvider clock = new();
        ServiceCollection collection = new();
        collection.AddSingleton<TimeProvider>(clock);
        collection.AddPortmap(options => options.Probe = false);
        using ServiceProvider services = collection.BuildServiceProvider();

        services.GetRequiredService<PortRegistry>().TryAcquire("b1", out PortLease? lease, out _).Should().BeTrue();

        lease!.ExpiresAt.Should().Be(clock.GetUtcNow() + TimeSpan.FromSeconds(60));
    }

    [Fact]
    public async Task AddPortmap_StoreInTheContainer_IsTheRegistrys()
    {
        FakePortStore store = new();
        for (int run = 0; run < 2; run++)
        {
            ServiceCollection collection = new();
            collection.AddSingleton<IPortStore>(store);
            collection.AddPortmap(options => (options.Ports, options.Probe, options.Strategy) = ("20000-20009", false, "AllocatorPicks"));
            await using ServiceProvider services = collection.BuildServiceProvider();
            PortRegistry registry = services.GetRequiredService<PortRegistry>();

            if (run == 0)
            {
                await registry.AcquireAsync("b1").Within();
            }
            else
            {
                registry.TryGetEntry("b1", out PortEntry entry).Should().BeTrue("the first run's fact is in the store");
                entry.State.Should().Be(PortState.Reserved);
            }
        }
    }

    [Theory]
    [InlineData("00:00:00")]
    [InlineData("00:00:00.099")]
    [InlineData("01:00:00.001")]
    [InlineData("-00:00:01")]
    public void AddPortmap_OpenTimeoutOutOfItsBounds_IsFoundAtStart(string value)
    {
        using ServiceProvider services = Configure(Binder.Reflection, ("OpenTimeout", value));

        Action start = () => services.GetRequiredService<IStartupValidator>().Validate();

        start.Should().Throw<OptionsValidationException>().WithMessage("*OpenTimeout*00:00:00.1*01:00:00*");
    }

    [Theory]
    [InlineData("LeaseTimout")]
    [InlineData("Port")]
    [InlineData("Watch:Capacity")]
    public void AddPortmap_KeyThatNoOptionHas_IsToldWhereTheBinderIsAsked(string key)
    {
        ServiceCollection collection = new();
        collection.AddSingleton<IConfiguration>(new ConfigurationBuilder().AddInMemoryCollection([KeyValuePair.Create("Portmap:" + key, (string?)"1")]).Build());
        collection.AddPortmap().BindConfiguration("Portmap", binder => binder.ErrorOnUnknownConfiguration = true);
        using ServiceProvider services = collection.BuildServiceProvider();

        Action start = () => services.GetRequiredService<IStartupValidator>().Validate();

        start.Should().Throw<InvalidOperationException>().WithMessage($"*'{key.Split(':')[0]}'*");
    }

    [Fact]
    public async Task AddPortmap_OpeningAwaitedBefore_IsTheRegistryOfTheContainer()
    {
        ServiceCollection collection = new();
        collection.AddSingleton<IPortStore>(new FakePortStore());
        collection.AddPortmap(options => options.Probe = false);
        await using ServiceProvider services = collection.BuildServiceProvider();

        PortRegistry opened = await services.GetRequiredService<Lazy<Task<PortRegistry>>>().Value.Within();

        services.GetRequiredService<PortRegistry>().Should().BeSameAs(opened);
    }

    [Fact]
    public void AddPortmap_SecondTime_IsTold()
    {
        ServiceCollection services = new();
        services.AddPortmap();

        Action again = () => services.AddPortmap(options => options.Ports = "20000-20001");

        again.Should().Throw<InvalidOperationException>().WithMessage("*already*AddKeyedPortmap*");
    }

    [Fact]
    public async Task AddKeyedPortmap_TwoKeys_AreTwoRegistriesWithTheirOwnOptionsAndStores()
    {
        FakePortStore store = new();
        ServiceCollection collection = new();
        collection.AddKeyedSingleton<IPortStore>("a", store);
        collection.AddKeyedPortmap("a", options => (options.Ports, options.Probe) = ("20000-20009", false));
        collection.AddKeyedPortmap("b", options => (options.Ports, options.Probe) = ("30000-30009", false));
        await using ServiceProvider services = collection.BuildServiceProvider();

        PortRegistry a = services.GetRequiredKeyedService<PortRegistry>("a"), b = services.GetRequiredKeyedService<PortRegistry>("b");

        a.Bounds.Ports[0].First.Should().Be(20000);
        b.Bounds.Ports[0].First.Should().Be(30000);
        b.TryAcquire("b1", out _, out _).Should().BeTrue("it has no store to wait for");
        a.Invoking(it => it.TryAcquire("b1", out _, out _)).Should().Throw<InvalidOperationException>("its changes are confirmed by its store");
        services.GetService<PortRegistry>().Should().BeNull();
    }

    [Fact]
    public void AddKeyedPortmap_BadArgumentsOrTheSameKeyTwice_Throws()
    {
        ServiceCollection services = new();
        services.AddKeyedPortmap("a");

        services.Invoking(it => it.AddKeyedPortmap("a")).Should().Throw<InvalidOperationException>().WithMessage("*'a'*another key*");
        services.Invoking(it => it.AddKeyedPortmap(string.Empty)).Should().Throw<ArgumentException>();
        services.Invoking(it => it.AddKeyedPortmap(null!)).Should().Throw<ArgumentNullException>();
    }

    [Fact]
    public void AddPortmap_NullServices_Throws()
    {
        Action add = () => PortmapExtensions.AddPortmap(null!);

        add.Should().Throw<ArgumentNullException>();
    }

    [Fact]
    public void GeneratedBinder_ThisAssembly_HasOne() =>
        typeof(PortmapExtensionsTests).Assembly.GetTypes()
            .Should().Contain(type => type.Namespace == "Microsoft.Extensions.Configuration.Binder.SourceGeneration", "else both rows test the same binder");

    private static ServiceProvider Configure(Binder binder, params (string Key, string? Value)[] values)
    {
        IConfiguration configuration = new ConfigurationBuilder()
            .AddInMemoryCollection(values.Select(pair => KeyValuePair.Create("Portmap:" + pair.Key, pair.Value)))
            .Build();
        ServiceCollection services = new();
        services.AddSingleton(configuration);
        OptionsBuilder<PortRegistryOptions> builder = services.AddPortmap();
        if (binder == Binder.Generated)
        {
            builder.BindConfiguration("Portmap");
        }
        else
        {
            // A call through a delegate is one the generator does not intercept.
            Func<OptionsBuilder<PortRegistryOptions>, string, Action<BinderOptions>?, OptionsBuilder<PortRegistryOptions>> bind =
                OptionsBuilderConfigurationExtensions.BindConfiguration;
            bind(builder, "Portmap", null);
        }

        return services.BuildServiceProvider();
    }
}
