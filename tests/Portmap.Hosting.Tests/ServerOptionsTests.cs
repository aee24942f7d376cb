using Microsoft.Extensions.Logging;

namespace Portmap.Hosting.Tests;

/// <summary>What the options of a server may be, where they come from, and what workers are told of
/// them.</summary>
public sealed class ServerOptionsTests
{
    public static TheoryData<string, string, string> WrongValues { get; } = new()
    {
        { "Endpoints:0", "localhost:24007", "*Endpoints*localhost:24007*unix:PATH*" },
        { "Endpoints:0", "unix:d.sock", "*Endpoints*unix:d.sock*relative*absolute*" },
        { "Endpoints:0", "tcp:0.0.0.0:24007", "*Endpoints*0.0.0.0:24007*loopback*AllowRemote*" },
        { "SocketMode", "0888", "*SocketMode*0888*octal*0660*" },
        { "SocketMode", "rw-rw----", "*SocketMode*octal*" },
        { "AllowedUserIds:0", "4294967295", "*AllowedUserIds*4294967295*" },
        { "MaxConnections", "0", "*MaxConnections is 0*1*1048576*" },
        { "IdleTimeout", "-00:00:05", "*IdleTimeout*" },
        { "IdleTimeout", "60", "*IdleTimeout is 60.00:00:00*60 s is written 00:01:00.*" },
    };

    [Theory]
    [MemberData(nameof(WrongValues))]
    public async Task Start_WrongValueInTheConfiguration_IsNamedBeforeAnythingIsOpened(string key, string value, string complaint)
    {
        using TempFolder folder = new();
        await using AsyncHost host = new(Bound(folder, ("PortmapServer:" + key, value)));

        await FluentActions.Awaiting(host.StartAsync).Should().ThrowAsync<OptionsValidationException>().WithMessage(complaint);

        Directory.Exists(folder["state"]).Should().BeFalse();
    }

    [Fact]
    public async Task Start_SeveralWrongValues_AreAllNamed()
    {
        using TempFolder folder = new();
        await using AsyncHost host = new(Bound(
            folder,
            ("PortmapServer:Endpoints:0", "nowhere"),
            ("PortmapServer:Endpoints:1", "nowhere"),
            ("PortmapServer:SocketMode", "9"),
            ("PortmapServer:MaxConnections", "0"),
            ("PortmapServer:MaxWait", "-00:00:01")));

        await FluentActions.Awaiting(host.StartAsync).Should().ThrowAsync<OptionsValidationException>().WithMessage("*nowhere*twice*SocketMode*MaxConnections*MaxWait*");
    }

    [Theory]
    [InlineData("MaxConnections", "many")]
    [InlineData("AllowedUserIds:0", "root")]
    [InlineData("SocketMod", "0600")]
    public async Task Start_KeyOrValueThatCannotBeBound_IsNamed(string key, string value)
    {
        using TempFolder folder = new();
        await using AsyncHost host = new(Bound(folder, ("PortmapServer:" + key, value)));

        InvalidOperationException complaint = (await FluentActions.Awaiting(host.StartAsync).Should().ThrowAsync<InvalidOperationException>()).Which;

        (complaint.Message + complaint.InnerException?.Message).Should().Contain(key);
    }

    [Fact]
    public async Task Start_GoodConfiguration_ReachesTheServer()
    {
        using TempFolder folder = new();
        await using AsyncHost host = new(Bound(
            folder,
            ("PortmapServer:Endpoints:0", folder.Socket()),
            ("PortmapServer:Endpoints:1", $"tcp:{PortBlock.Loopback}:0"),
            ("PortmapServer:SocketMode", "0660"),
            ("PortmapServer:AllowedUserIds:0", "1001"),
            ("PortmapServer:AllowedUserIds:1", "1002")));
        await host.StartAsync();

        host.Host.Services.GetRequiredService<PortmapServer>().Endpoints.Select(endpoint => endpoint.ToString())
            .Should().HaveCount(2).And.Contain(folder.Socket()).And.ContainMatch($"tcp:{PortBlock.Loopback}:*");
        host.Host.Services.GetRequiredService<IOptions<PortmapServerOptions>>().Value.AllowedUserIds.Should().Equal(1001u, 1002u);
#pragma warning disable CA1416 // on Windows there is no mode to look at, and this test says so
        File.GetUnixFileMode(folder["portmap.sock"]).Should().Be(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite);
#pragma warning restore CA1416
    }

    [Theory]
    [InlineData("unix:/x/a", "unix:/x/a")]
    [InlineData("tcp:127.0.0.1:24007 unix:/x/a unix:/x/b", "unix:/x/a")]
    [InlineData("tcp:127.0.0.1:0 tcp:[::1]:24007", "tcp:[::1]:24007")]
    [InlineData("tcp:127.0.0.1:0", null)]
    [InlineData("tcp:0.0.0.0:0 tcp:0.0.0.0:24007", "tcp:127.0.0.1:24007")]
    [InlineData("tcp:[::]:24007", "tcp:[::1]:24007")]
    [InlineData("", "default")]
    public void Endpoint_NotSet_IsTheServers(string served, string? told)
    {
        using IHost host = Serving(served, told: null);

        host.Services.GetRequiredService<IOptions<PortRegistryOptions>>().Value.Endpoint.Should().Be(told == "default" ? PortmapEndpoint.Default.ToString() : told);
    }

    [Theory]
    [InlineData("unix:/x/a unix:/x/b", "unix:/x/b")]
    [InlineData("tcp:127.0.0.1:24007", "tcp:127.0.0.1:24007")]
    [InlineData("tcp:0.0.0.0:24007", "tcp:127.0.0.1:24007")]
    [InlineData("unix:/x/a tcp:0.0.0.0:24007", "tcp:192.0.2.1:24007")]
    [InlineData("tcp:[::]:24007", "tcp:[::1]:24007")]
    public void Endpoint_OneOfTheServers_Stays(string served, string told)
    {
        using IHost host = Serving(served, told);

        host.Services.GetRequiredService<IOptions<PortRegistryOptions>>().Value.Endpoint.Should().Be(told);
    }

    [Theory]
    [InlineData("unix:/x/a", "unix:/x/b")]
    [InlineData("tcp:127.0.0.1:0", "tcp:127.0.0.1:24007")]
    [InlineData("", "unix:/x/b")]
    [InlineData("tcp:0.0.0.0:24007", "tcp:127.0.0.1:24008")]
    [InlineData("tcp:[::]:24007", "tcp:127.0.0.1:24007")]
    public async Task Endpoint_NotOneOfTheServers_IsAnErrorAtTheStart(string served, string told)
    {
        await using AsyncHost host = new(Serving(served, told));

        await FluentActions.Awaiting(host.StartAsync).Should().ThrowAsync<OptionsValidationException>().WithMessage($"*Endpoint is '{told}'*listens on {served.Split(' ')[0]}*");
    }

    [Fact]
    public async Task Start_OnlyATcpPortThatTheKernelChooses_IsWarnedOf()
    {
        Lines lines = new();
        await using AsyncHost host = new(TestHost.Build(services =>
        {
            services.AddSingleton<ILoggerProvider>(lines);
            services.AddPortmap(options => options.Ports = PortBlock.Take(4).ToString());
            services.AddPortmapServer(options => options.Endpoints.Add($"tcp:{PortBlock.Loopback}:0"));
        }));

        await host.StartAsync();

        lines.Text.Should().ContainSingle(line => line.StartsWith("101 ")).Which.Should().Match($"*tcp:{PortBlock.Loopback}:*not told*");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Start_RegistryOfTheHostsOwn_IsWarnedOfWhenItDoesNotKnowTheEndpoint(bool knows)
    {
        using TempFolder folder = new();
        Lines lines = new();
        await using PortRegistry registry = new(new PortRegistryOptions { Ports = PortBlock.Take(4).ToString(), Endpoint = knows ? folder.Socket() : null });
        await using AsyncHost host = new(TestHost.Build(services =>
        {
            services.AddSingleton<ILoggerProvider>(lines).AddSingleton(registry);
            services.AddPortmapServer(options => options.Endpoints.Add(folder.Socket()));
        }));

        await host.StartAsync();

        lines.Text.Where(line => line.StartsWith("101 ", StringComparison.Ordinal)).Should().HaveCount(knows ? 0 : 1);
    }

    [Fact]
    public async Task Lease_OfAServedRegistry_TellsItsWorkerWhereTheServerIs()
    {
        using TempFolder folder = new();
        await using AsyncHost host = new(TestHost.Served(folder));
        await host.StartAsync();
        PortLease lease = await host.Host.Services.GetRequiredService<PortRegistry>().AcquireAsync("b1").Within();
        System.Diagnostics.ProcessStartInfo start = new("worker");

        lease.PrepareStart(start);

        start.Environment["PORTMAP_ENDPOINT"].Should().Be(folder.Socket());
    }

    [Fact]
    public async Task Lease_ServerWhoseOptionsAreMadeAnewEachTime_TellsTheEndpointThatIsServed()
    {
        using TempFolder folder = new();
        int made = 0;
        await using AsyncHost host = new(TestHost.Build(services =>
        {
            services.AddPortmap(options => options.Ports = PortBlock.Take(4).ToString());
            services.AddPortmapServer(options => options.Endpoints.Add(folder.Socket($"{++made}.sock")));
        }));
        await host.StartAsync();

        host.Host.Services.GetRequiredService<PortRegistry>().GetEndpoint().Should().Be(host.Host.Services.GetRequiredService<PortmapServer>().Endpoints[0].ToString());
    }

    /// <summary>A hosted service that takes the registry is made before the host has checked any
    /// options, and what it takes is opened.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Start_WrongValuesAndAServiceThatTakesTheRegistry_AreAllNamedBeforeAnythingIsOpened(bool isAddedBefore)
    {
        using TempFolder folder = new();
        await using AsyncHost host = new(TestHost.Build(
            services =>
            {
                if (isAddedBefore)
                {
                    services.AddHostedService<Taker>();
                }

                services.AddPortmap(options => (options.Ports, options.StateFolder) = (PortBlock.Take(4).ToString(), folder["state"])).BindConfiguration("Portmap");
                services.AddPortmapServer().BindConfiguration("PortmapServer");
                if (!isAddedBefore)
                {
                    services.AddHostedService<Taker>();
                }
            },
            ("PortmapServer:SocketMode", "9"), ("Portmap:MaxOwners", "0")));

        AggregateException complaints = (await FluentActions.Awaiting(host.StartAsync).Should().ThrowAsync<AggregateException>()).Which;

        complaints.Flatten().InnerExceptions.Should().HaveCount(2).And.AllBeOfType<OptionsValidationException>();
        Directory.Exists(folder["state"]).Should().BeFalse();
    }

    private sealed class Taker(PortRegistry registry) : BackgroundService
    {
        protected override Task ExecuteAsync(CancellationToken stoppingToken) => registry.WhenSettled.WaitAsync(stoppingToken);
    }

    private static IHost Serving(string endpoints, string? told) => TestHost.Build(services =>
    {
        services.AddPortmapServer(options => options.AllowRemote = true);
        services.Configure<PortmapServerOptions>(options => Array.ForEach(endpoints.Split(' ', StringSplitOptions.RemoveEmptyEntries), options.Endpoints.Add));
        services.AddPortmap(options => options.Endpoint = told);
    });

    private static IHost Bound(TempFolder folder, params (string, string)[] configuration) => TestHost.Build(
        services =>
        {
            services.AddPortmap(options => (options.Ports, options.StateFolder) = (PortBlock.Take(4).ToString(), folder["state"]));
            services.AddPortmapServer().BindConfiguration("PortmapServer", binder => binder.ErrorOnUnknownConfiguration = true);
        },
        configuration);

    private sealed class Lines : ILoggerProvider, ILogger
    {
        private readonly List<string> _text = [];

        public IReadOnlyList<string> Text => _text;

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            lock (_text)
            {
                _text.Add($"{eventId.Id} {formatter(state, exception)}");
            }
        }

        public void Dispose()
        {
        }
    }
}
