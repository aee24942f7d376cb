using System.Diagnostics.Metrics;
using System.Net.Sockets;
using System.Reflection;
using System.Security.Cryptography;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Portmap.Etcd.Tests.Security;

namespace Portmap.Etcd.Tests;

public class PortmapFleetOptionsTests
{
    public static TheoryData<string, Action<PortmapFleetOptions>> Wrong => new()
    {
        { "Endpoints", options => options.Endpoints = "" },
        { "Endpoints", options => options.Endpoints = "127.0.0.1:2379" },
        { "Endpoints", options => options.Endpoints = "http://a:1,ftp://b:2" },
        { "Endpoints", options => options.Endpoints = "http://a:1/path" },
        { "Host", options => options.Host = "" },
        { "Host", options => options.Host = "a/b" },
        { "Host", options => options.Host = new string('a', 254) },
        { "Address", options => options.Address = "" },
        { "Address", options => options.Address = "a b" },
        { "Prefix", options => options.Prefix = "portmap" },
        { "Prefix", options => options.Prefix = "/portmap/" },
        { "LeaseTtl", options => options.LeaseTtl = TimeSpan.FromSeconds(1) },
        { "LeaseTtl", options => options.LeaseTtl = TimeSpan.FromSeconds(2.5) },
        { "LeaseTtl", options => options.LeaseTtl = TimeSpan.FromHours(2) },
        { "Prefix", options => options.Prefix = "/" + new string('p', 512) },
        { "Address", options => options.Address = new string('a', 254) },
        { "MaxStaleness", options => options.MaxStaleness = TimeSpan.Zero },
        { "MaxStaleness", options => options.MaxStaleness = TimeSpan.FromHours(25) },
        { "MaxStaleness", options => (options.MaxStaleness, options.HeartbeatInterval) = (TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(6)) },
        { "RequestTimeout", options => options.RequestTimeout = TimeSpan.Zero },
        { "RequestTimeout", options => options.RequestTimeout = TimeSpan.FromSeconds(61) },
        { "HeartbeatInterval", options => options.HeartbeatInterval = TimeSpan.FromMilliseconds(99) },
        { "HeartbeatInterval", options => options.HeartbeatInterval = TimeSpan.FromHours(1) },
        { "AuditInterval", options => options.AuditInterval = TimeSpan.Zero },
        { "AuditInterval", options => options.AuditInterval = TimeSpan.FromHours(25) },
        { "WatchCapacity", options => options.WatchCapacity = 0 },
        { "WatchCapacity", options => options.WatchCapacity = 1_048_577 },
        { "AuthorityFile", options => options.AuthorityFile = "/nowhere/authority.pem" },
        { "CertificateFile", options => options.CertificateFile = "/nowhere/certificate.pem" },
        { "KeyFile", options => (options.CertificateFile, options.KeyFile) = ("/proc/self/status", "/nowhere/key.pem") },
        { "KeyFile", options => options.KeyFile = "/proc/self/status" },
        { "ReadOnly", options => (options.ReadOnly, options.Mirror) = (true, false) },
        { "User", options => options.User = "a" },
    };

    [Fact]
    public async Task Options_ThatAreChangedOnceTheFleetIsMade_ChangeNothing()
    {
        PortmapFleetOptions options = new() { Endpoints = "http://127.0.0.1:1", Mirror = false };
        await using PortmapFleet fleet = new(options);

        (options.MaxStaleness, options.HeartbeatInterval) = (TimeSpan.FromSeconds(2), TimeSpan.Zero);

        fleet.Map.Staleness.Should().Be(TimeSpan.MaxValue);
        fleet.Map.IsRefusing.Should().BeFalse("it was made to answer always");
    }

    [Theory]
    [MemberData(nameof(Wrong))]
    public void Construct_WrongOption_NamesIt(string name, Action<PortmapFleetOptions> spoil)
    {
        PortmapFleetOptions options = new();
        spoil(options);

        Action construct = () => _ = new PortmapFleet(options);

        construct.Should().Throw<OptionsValidationException>().Which.Failures.Should().ContainSingle().Which.Should().Contain(name);
    }

    [Fact]
    public void Construct_AuthorityFileWithoutACertificate_NamesTheFileAndTheOption()
    {
        using TempFolder folder = new();
        File.WriteAllText(folder["authority.pem"], "# no certificate in it");

        Action construct = () => _ = new PortmapFleet(new PortmapFleetOptions { Endpoints = "https://127.0.0.1:1", AuthorityFile = folder["authority.pem"] });

        construct.Should().Throw<CryptographicException>().WithMessage($"*AuthorityFile*{folder["authority.pem"]}*");
    }

    [Fact]
    public void Construct_AuthorityFileThatIsDamaged_NamesTheFileAndTheOption()
    {
        using TempFolder folder = new();
        File.WriteAllText(folder["authority.pem"], "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");

        Action construct = () => _ = new PortmapFleet(new PortmapFleetOptions { Endpoints = "https://127.0.0.1:1", AuthorityFile = folder["authority.pem"] });

        construct.Should().Throw<CryptographicException>().WithMessage($"*AuthorityFile*{folder["authority.pem"]}*");
    }

    [Theory]
    [InlineData("of another pair")]
    [InlineData("not set")]
    [InlineData("no PEM")]
    public void Construct_KeyThatIsNotTheCertificates_NamesBothOptionsAndFiles(string how)
    {
        using Certificates pairs = new("ours");
        (string certificate, string key) = pairs.Sign("one");
        string? used = how switch
        {
            "of another pair" => pairs.Sign("another").Key,
            "not set" => null,
            _ => key,
        };
        if (how == "no PEM")
        {
            File.WriteAllText(key, "# no key in it");
        }

        Action construct = () => _ = new PortmapFleet(new PortmapFleetOptions { Endpoints = "https://127.0.0.1:1", CertificateFile = certificate, KeyFile = used });

        construct.Should().Throw<CryptographicException>().WithMessage($"*CertificateFile*{certificate}*KeyFile*{used}*");
    }

    /// <summary>As one that another user may read only: it is there, and opening it fails. The tests
    /// may run as root, whom nothing is kept from but a socket.</summary>
    [Theory]
    [InlineData("AuthorityFile")]
    [InlineData("CertificateFile")]
    [InlineData("KeyFile")]
    public void Construct_FileThatCannotBeOpened_NamesTheOptionAndTheFile(string name)
    {
        using TempFolder folder = new();
        using Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(folder["s"]));
        PortmapFleetOptions options = new() { CertificateFile = name == "KeyFile" ? "/proc/self/status" : null };
        typeof(PortmapFleetOptions).GetProperty(name)!.SetValue(options, folder["s"]);

        Action construct = () => _ = new PortmapFleet(options);

        construct.Should().Throw<OptionsValidationException>().Which.Failures.Should().ContainSingle().Which.Should().Contain(name).And.Contain(folder["s"]).And.Contain("cannot read");
    }

    [Fact]
    public async Task Construct_Defaults_AreValid()
    {
        await using PortmapFleet fleet = new(new PortmapFleetOptions());

        fleet.Status.IsConnected.Should().BeFalse();
        fleet.Map.Count.Should().Be(0);
        fleet.Map.WhenListed.IsCompleted.Should().BeFalse();
    }

    [NeedsTheory("etcd")]
    [InlineData(true)]
    [InlineData(false)]
    public async Task AddPortmapFleet_InAHost_PublishesItsRegistryAndStopsWithIt(bool hasTime)
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Support.Host looker = Support.Host.Look(etcd.Endpoints);
        HostApplicationBuilder builder = Microsoft.Extensions.Hosting.Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?> { ["Portmap:Fleet:Endpoints"] = etcd.Endpoints, ["Portmap:Fleet:Host"] = "generic" });
        builder.Services.AddPortmap(options => (options.Probe, options.VerifyListening) = (false, false));
        builder.Services.AddPortmapFleet().BindConfiguration("Portmap:Fleet");
        using IHost host = builder.Build();
        await host.StartAsync().Within();
        PortRegistry registry = host.Services.GetRequiredService<PortRegistry>();
        registry.OpenSession(Environment.ProcessId).TryRegister(new PortClaimRequest("b1", 20_001), out _, out _).Should().BeTrue();

        await looker.Map.UntilAsync(map => map.TryFind("b1", out FleetEntry? entry) && entry.Host == "generic");
        await host.Services.GetRequiredService<FleetMap>().UntilAsync(map => map.Count == 1);
        host.Services.GetRequiredService<FleetOwners>().Should().BeSameAs(host.Services.GetRequiredService<PortmapFleet>().Owners);
        await host.StopAsync(new CancellationToken(canceled: !hasTime)).Within();

        await looker.Map.UntilAsync(map => map.Count == 0);
    }

    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task AddPortmapFleet_InAHostWithoutTimeToStop_HasToldEtcdWhenTheHostIsDisposed()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        HostApplicationBuilder builder = Microsoft.Extensions.Hosting.Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = TimeSpan.Zero);
        builder.Services.AddPortmapFleet(options => (options.Endpoints, options.Host, options.RequestTimeout) = (etcd.Endpoints, "generic", TimeSpan.FromSeconds(30)));
        IHost host = builder.Build();
        await host.StartAsync().Within();
        await host.Services.GetRequiredService<FleetOwners>().ClaimAsync("b1").Within();
        etcd.First.Send(Signal.Stop);

        await host.StopAsync().Within();
        Task disposing = ((IAsyncDisposable)host).DisposeAsync().AsTask();

        disposing.IsCompleted.Should().BeFalse("etcd has heard nothing yet, and the process would end");
        etcd.First.Send(Signal.Continue);
        await disposing.Within();
        (await etcd.CountAsync("/portmap/")).Should().Be(0);
    }

    [Fact]
    public void Wrong_EachNumberAndTime_IsTriedPastItsBounds()
    {
        PortmapFleetOptions defaults = new();
        foreach (PropertyInfo option in typeof(PortmapFleetOptions).GetProperties().Where(property => property.PropertyType == typeof(int) || property.PropertyType == typeof(TimeSpan)))
        {
            IComparable[] tried = [.. Wrong.Where(row => (string)row[0] == option.Name).Select(row =>
            {
                PortmapFleetOptions options = new();
                ((Action<PortmapFleetOptions>)row[1])(options);
                return (IComparable)option.GetValue(options)!;
            })];
            IComparable usual = option.Name == nameof(PortmapFleetOptions.MaxStaleness) ? TimeSpan.FromMinutes(1) : (IComparable)option.GetValue(defaults)!;   // its default is no limit at all

            tried.Should().Contain(value => value.CompareTo(usual) < 0, "{0} has a lower bound", option.Name)
                .And.Contain(value => value.CompareTo(usual) > 0, "{0} has an upper bound", option.Name);
        }
    }

    /// <summary>Nobody answers at this endpoint: it says so, and tries again by that clock.</summary>
    [Fact]
    public async Task AddPortmapFleet_LoggerAndClockInTheContainer_AreTheFleets()
    {
        FleetLogLines log = new();
        WatchedClock clock = new();
        ServiceCollection services = new();
        services.AddSingleton<ILogger<PortmapFleet>>(log).AddSingleton<TimeProvider>(clock);
        services.AddPortmapFleet(options => options.Endpoints = "http://127.0.0.1:1");
        await using ServiceProvider provider = services.BuildServiceProvider();

        provider.GetRequiredService<PortmapFleet>().Start();

        await clock.IsAsked.Task.Within();
        await Seen.UntilAsync(() => log.Lines.Any(line => line.StartsWith("FleetTrouble", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task AddPortmapFleet_MetersInTheContainer_AreTheFleetsUnlessTheOptionsHaveOthers(bool isSet)
    {
        using Readings ofContainer = new(), ofOptions = new();
        ServiceCollection services = new();
        services.AddSingleton<IMeterFactory>(ofContainer);
        services.AddPortmapFleet(options => (options.Endpoints, options.MeterFactory) = ("http://127.0.0.1:1", isSet ? ofOptions : null));
        await using ServiceProvider provider = services.BuildServiceProvider();

        _ = provider.GetRequiredService<PortmapFleet>();

        ofContainer.Collect();
        ofOptions.Collect();
        (ofContainer.Instruments.Any(), ofOptions.Instruments.Any()).Should().Be((!isSet, isSet));
    }

    private sealed class WatchedClock : TimeProvider
    {
        public TaskCompletionSource IsAsked { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            IsAsked.TrySetResult();
            return base.CreateTimer(callback, state, dueTime, period);
        }
    }

    [Fact]
    public void AddPortmapFleet_Twice_Throws()
    {
        ServiceCollection services = new();
        services.AddPortmapFleet();

        services.Invoking(all => all.AddPortmapFleet()).Should().Throw<InvalidOperationException>();
    }

    [Fact]
    public async Task AddPortmapFleet_WrongConfiguration_FailsTheStart()
    {
        HostApplicationBuilder builder = Microsoft.Extensions.Hosting.Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Services.AddPortmapFleet(options => options.Host = "a/b");
        using IHost host = builder.Build();

        Func<Task> start = () => host.StartAsync();

        await start.Should().ThrowAsync<OptionsValidationException>().WithMessage("*Host is 'a/b'*");
    }
}
