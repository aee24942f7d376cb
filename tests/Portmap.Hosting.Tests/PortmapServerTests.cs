using System.Net.Sockets;
using Microsoft.Extensions.Logging;

namespace Portmap.Hosting.Tests;

/// <summary>The daemon's life: what a host's start and stop do, and in which order.</summary>
public sealed class PortmapServerTests
{
    [Fact]
    public async Task Start_OtherServicesAddedBefore_FindTheServerThereFromTheirStartToTheirStop()
    {
        using TempFolder folder = new();
        Neighbour neighbour = new(folder.Socket());
        await using AsyncHost host = new(TestHost.Build(services =>
        {
            services.AddSingleton<IHostedService>(neighbour);   // before: hosted services start in the order they were added
            services.AddPortmap(options => options.Ports = PortBlock.Take(4).ToString());
            services.AddPortmapServer(options => options.Endpoints.Add(folder.Socket()));
        }));

        await host.StartAsync();
        await host.StopAsync();

        neighbour.Pings.Should().Equal("start", "stop");
        File.Exists(folder["portmap.sock"]).Should().BeFalse("the server stops with the host");
    }

    [Fact]
    public async Task Start_StateThatTakesLong_BlocksNoThreadAndStartsNobody()
    {
        FakePortStore store = new();
        store.Hold();
        using TempFolder folder = new();
        Neighbour neighbour = new(folder.Socket());
        await using AsyncHost host = new(TestHost.Served(folder, services => services.AddSingleton<IPortStore>(store).AddSingleton<IHostedService>(neighbour)));

        // The call itself returns, whichever thread makes it; a start that waited for the state
        // inside would not.
        Task<Task> call = Task.Factory.StartNew(() => host.Host.StartAsync(), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        Task start = await call.Within();
        await store.ArrivedAsync().Within();

        start.IsCompleted.Should().BeFalse();
        neighbour.Pings.Should().BeEmpty();
        store.Release();
        await start.Within();
        neighbour.Pings.Should().Equal("start");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Start_GivenUpWhileTheStateIsRead_LetsGoOfTheState(bool isReadBeforeTheEnd)
    {
        FakePortStore store = new();
        store.Hold();
        using TempFolder folder = new();
        using CancellationTokenSource end = new();
        await using (AsyncHost host = new(TestHost.Served(folder, services => services.AddSingleton<IPortStore>(store))))
        {
            Task start = host.Host.StartAsync(end.Token);
            await store.ArrivedAsync().Within();
            await end.CancelAsync();
            await FluentActions.Awaiting(() => start.Within()).Should().ThrowAsync<OperationCanceledException>();
            store.Release();
            if (isReadBeforeTheEnd)
            {
                await host.Host.Services.GetRequiredService<Lazy<Task<PortRegistry>>>().Value.Within();
            }
        }

        await store.WhenDisposed.Within();
    }

    [Fact]
    public async Task Start_EndpointOfALiveDaemon_FailsAndLeavesTheStateToTheNext()
    {
        using TempFolder folder = new();
        await using AsyncHost live = new(TestHost.Served(folder));
        await live.StartAsync();
        await using (AsyncHost second = new(WithState(folder, folder.Socket())))
        {
            await FluentActions.Awaiting(second.StartAsync).Should().ThrowAsync<IOException>().WithMessage($"*{folder["portmap.sock"]}*");
        }

        await using AsyncHost third = new(WithState(folder, folder.Socket("other.sock")));
        await third.StartAsync();
        await TestHost.PingAsync(folder.Socket("other.sock"));
    }

    [Fact]
    public async Task Stop_RegistryWithAState_IsThereInTheNextRun()
    {
        using TempFolder folder = new();
        await using (AsyncHost first = new(WithState(folder, folder.Socket())))
        {
            await first.StartAsync();
            await first.Host.Services.GetRequiredService<PortRegistry>().AcquireAsync("b1").Within();
            await first.StopAsync();
        }

        await using AsyncHost next = new(WithState(folder, folder.Socket()));
        await next.StartAsync();
        next.Host.Services.GetRequiredService<PortRegistry>().TryGetEntry("b1", out PortEntry entry).Should().BeTrue();
        entry.State.Should().Be(PortState.Reserved);
    }

    [Fact]
    public async Task Stop_OthersTookAllOfTheHostsTime_EndsTheServerAndThrowsNothing()
    {
        using TempFolder folder = new();
        await using AsyncHost host = new(TestHost.Served(folder));
        await host.StartAsync();
        using Socket connection = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await connection.ConnectAsync(new UnixDomainSocketEndPoint(folder["portmap.sock"])).Within();
        await TestHost.PingAsync(folder.Socket());   // who came before it is accepted

        await host.Host.StopAsync(new CancellationToken(canceled: true)).Within();

        (await connection.ReceiveAsync(new byte[1].AsMemory()).Within()).Should().Be(0, "the server ends, also before the host is disposed");
    }

    [Fact]
    public async Task Start_NoRegistryAdded_SaysWhatToAdd()
    {
        using TempFolder folder = new();
        await using AsyncHost host = new(TestHost.Build(services => services.AddPortmapServer(options => options.Endpoints.Add(folder.Socket()))));

        await FluentActions.Awaiting(host.StartAsync).Should().ThrowAsync<InvalidOperationException>().WithMessage("*AddPortmap()*");
    }

    [Fact]
    public async Task Start_RegistryOfTheHostsOwnMaking_IsServed()
    {
        using TempFolder folder = new();
        await using PortRegistry registry = new(new PortRegistryOptions { Ports = PortBlock.Take(4).ToString() });
        await using AsyncHost host = new(TestHost.Build(services =>
        {
            services.AddSingleton(registry);
            services.AddPortmapServer(options => options.Endpoints.Add(folder.Socket()));
        }));
        await host.StartAsync();

        await using PortmapClient client = await PortmapClient.ConnectAsync(PortmapEndpoint.Parse(folder.Socket())).Within();
        await client.AcquireAsync("b1").Within();

        registry.TryGetEntry("b1", out _).Should().BeTrue();
    }

    [Fact]
    public async Task Start_LoggerInTheContainer_IsTheServers()
    {
        using TempFolder folder = new();
        ServerLines lines = new();
        await using AsyncHost host = new(TestHost.Served(folder, services => services.AddSingleton<ILogger<PortmapServer>>(lines)));

        await host.StartAsync();

        lines.Of("ServerListening").Should().ContainSingle().Which.Should().Contain(folder["portmap.sock"]);
    }

    [Theory]
    [InlineData(null, false)]
    [InlineData(null, true)]
    [InlineData("k", false)]
    [InlineData("k", true)]
    public async Task Start_RegistryPutInPlaceOfTheAddedOne_IsServedAndTheStateIsLeftAlone(string? key, bool isTakenAway)
    {
        using TempFolder folder = new();
        await using PortRegistry registry = new(new PortRegistryOptions { Ports = PortBlock.Take(4).ToString() });
        await using AsyncHost host = new(TestHost.Build(services =>
        {
            Action<PortRegistryOptions> configure = options => (options.Ports, options.StateFolder) = (PortBlock.Take(4).ToString(), folder["state"]);
            Action<PortmapServerOptions> configureServer = options => options.Endpoints.Add(folder.Socket());
            _ = key is null ? services.AddPortmapServer(configureServer) : services.AddKeyedPortmapServer(key, configureServer);
            _ = key is null ? services.AddPortmap(configure) : services.AddKeyedPortmap(key, configure);
            if (isTakenAway)
            {
                services.Remove(services.Last(service => service.ServiceType == typeof(PortRegistry)));
            }

            services.AddKeyedSingleton(key, registry);
        }));
        await host.StartAsync();

        await using PortmapClient client = await PortmapClient.ConnectAsync(PortmapEndpoint.Parse(folder.Socket())).Within();
        await client.AcquireAsync("b1").Within();

        registry.TryGetEntry("b1", out _).Should().BeTrue();
        Directory.Exists(folder["state"]).Should().BeFalse("what nobody serves is not opened");
    }

    [Fact]
    public async Task AddKeyed_TwoOfThem_AreTwoMapsOfOneProcess()
    {
        using TempFolder folder = new();
        FakePortStore storeOfB = new(), storeOfNobody = new();
        await using AsyncHost host = new(TestHost.Build(services =>
        {
            services.AddKeyedSingleton<IPortStore>("b", storeOfB);
            services.AddSingleton<IPortStore>(storeOfNobody);   // without a key
            foreach (string key in (string[])["a", "b"])
            {
                services.AddKeyedPortmap(key, options => options.Ports = PortBlock.Take(4).ToString());
                services.AddKeyedPortmapServer(key, options => options.Endpoints.Add(folder.Socket(key)));
            }
        }));
        await host.StartAsync();

        await using PortmapClient client = await PortmapClient.ConnectAsync(PortmapEndpoint.Parse(folder.Socket("b"))).Within();
        await client.AcquireAsync("b1").Within();

        host.Host.Services.GetRequiredKeyedService<PortRegistry>("b").TryGetEntry("b1", out _).Should().BeTrue();
        host.Host.Services.GetRequiredKeyedService<PortRegistry>("a").TryGetEntry("b1", out _).Should().BeFalse();
        storeOfB.ArrivedAsync().IsCompleted.Should().BeTrue();
        storeOfNobody.ArrivedAsync().IsCompleted.Should().BeFalse("a registry with a key has the store of that key or none");
        host.Host.Services.GetRequiredService<IOptionsMonitor<PortRegistryOptions>>().Get("a").Endpoint.Should().Be(folder.Socket("a"));
        host.Host.Services.GetService<PortRegistry>().Should().BeNull();
        await host.StopAsync();
        File.Exists(folder["a"]).Should().BeFalse();
    }

    [Fact]
    public void Add_Twice_IsTold()
    {
        ServiceCollection services = new();
        services.AddPortmap();
        services.AddPortmapServer();
        services.AddKeyedPortmap("a");
        services.AddKeyedPortmapServer("a");

        services.Invoking(it => it.AddPortmap()).Should().Throw<InvalidOperationException>().WithMessage("*AddKeyedPortmap*");
        services.Invoking(it => it.AddPortmapServer()).Should().Throw<InvalidOperationException>().WithMessage("*AddKeyedPortmapServer*");
        services.Invoking(it => it.AddKeyedPortmap("a")).Should().Throw<InvalidOperationException>().WithMessage("*'a'*");
        services.Invoking(it => it.AddKeyedPortmapServer("a")).Should().Throw<InvalidOperationException>().WithMessage("*'a'*");
    }

    [Fact]
    public void Add_BadArguments_Throw()
    {
        ServiceCollection services = new();

        FluentActions.Invoking(() => PortmapServerServiceCollectionExtensions.AddPortmapServer(null!)).Should().Throw<ArgumentNullException>();
        services.Invoking(it => it.AddKeyedPortmapServer(null!)).Should().Throw<ArgumentNullException>();
        services.Invoking(it => it.AddKeyedPortmapServer("")).Should().Throw<ArgumentException>();
        services.Invoking(it => it.AddKeyedPortmap("")).Should().Throw<ArgumentException>();
    }

    private sealed class ServerLines : LogList, ILogger<PortmapServer>;

    private static IHost WithState(TempFolder folder, string endpoint) => TestHost.Build(services =>
    {
        services.AddPortmap(options => (options.Ports, options.StateFolder) = (PortBlock.Take(4).ToString(), folder["state"]));
        services.AddPortmapServer(options => options.Endpoints.Add(endpoint));
    });

    /// <summary>A service of the host's that needs the daemon as it starts and as it
    /// stops.</summary>
    private sealed class Neighbour(string endpoint) : IHostedService
    {
        public List<string> Pings { get; } = [];

        public Task StartAsync(CancellationToken cancellationToken) => PingAsync("start");

        public Task StopAsync(CancellationToken cancellationToken) => PingAsync("stop");

        private async Task PingAsync(string when)
        {
            await TestHost.PingAsync(endpoint);
            Pings.Add(when);
        }
    }
}
