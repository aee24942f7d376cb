using System.Net;
using System.Net.Sockets;
using System.Reflection;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Portmap.AspNetCore.Tests;

/// <summary>What a program may say to the one call.</summary>
public sealed class UsePortmapTests
{
    [Fact]
    public void UsePortmap_SameOwnerTwice_IsTold()
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UsePortmap(configure: options => options.Owner = "web").UsePortmap(configure: options => options.Owner = "web/admin");

        Action again = () => builder.WebHost.UsePortmap(configure: options => options.Owner = "web");

        again.Should().Throw<InvalidOperationException>().WithMessage("*'web'*already*another owner*");
    }

    [Theory]
    [InlineData("web-admin")]
    [InlineData("")]
    public void UsePortmap_NameThatCannotBeAVariable_IsTold(string name)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();

        Action use = () => builder.WebHost.UsePortmap(name);

        use.Should().Throw<ArgumentException>().WithMessage($"'{name}' cannot name a port*PORTMAP_HTTP_PORT*");
    }

    [Fact]
    public void UsePortmap_NoOwner_AddsNoService()
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        int before = builder.Services.Count;

        builder.WebHost.UsePortmap(listen => throw new InvalidOperationException("nothing listens"));
        builder.WebHost.UsePortmap("http");

        builder.Services.Count.Should().Be(before);
    }

    [Fact]
    public async Task UsePortmap_PortOfUdpAlone_DoesNotStartAndSignsOut()
    {
        await using TestDaemon daemon = await TestDaemon.StartAsync();
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UsePortmap(configure: options => (options.Owner, options.Endpoint, options.Protocol) = ("web", daemon.Endpoint, PortProtocol.Udp));
        await using WebApplication app = builder.Build();

        Func<Task> start = () => app.StartAsync().Within();

        (await start.Should().ThrowAsync<InvalidOperationException>()).WithMessage("*'web' is UDP alone*acquire it for TCP*");
        daemon.Registry.TryGetEntry("web", out _, PortProtocol.Udp).Should().BeFalse("nobody serves there");
    }

    /// <summary>Kestrel reads them where nothing outside shows: each is compared where the
    /// transport hands them on.</summary>
    [Fact]
    public async Task UsePortmap_TransportOptionsOfTheProgram_AreAllHandedOn()
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UsePortmap(configure: options => options.Owner = "web");
        PropertyInfo[] properties = [.. typeof(SocketTransportOptions).GetProperties().Where(property => property.Name != nameof(SocketTransportOptions.CreateBoundListenSocket))];
        builder.Services.Configure<SocketTransportOptions>(options => Array.ForEach(properties, property => property.SetValue(options, Another(property.GetValue(options)))));
        await using WebApplication app = builder.Build();

        object handedOn = HandedOn(app, new WorkerPortOptions().Backlog);

        SocketTransportOptions wanted = app.Services.GetRequiredService<IOptions<SocketTransportOptions>>().Value;
        properties.Select(property => (property.Name, property.GetValue(handedOn))).Should().Equal(properties.Select(property => (property.Name, property.GetValue(wanted))));

        static object? Another(object? value) => value switch
        {
            bool flag => !flag,
            int number => number + 1,
            long number => number + 1,
            _ => value,
        };
    }

    /// <summary>Kestrel listens on the socket once more, and that sets the backlog.</summary>
    [Theory]
    [InlineData(4_096, null, 4_096)]
    [InlineData(64, null, 64)]
    [InlineData(null, 8_000, 8_000)]
    [InlineData(4_096, 8_000, 4_096)]
    [InlineData(null, null, 512)]
    public async Task UsePortmap_BacklogOfThePort_IsHandedOnBeforeThatOfAllSockets(int? ofThePort, int? ofAll, int expected)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UsePortmap(configure: options => options.Owner = "web");
        builder.Services.Configure<SocketTransportOptions>(options => options.Backlog = ofAll ?? options.Backlog);
        await using WebApplication app = builder.Build();

        HandedOn(app, ofThePort ?? new WorkerPortOptions().Backlog).Backlog.Should().Be(expected);
    }

    [Fact]
    public async Task UsePortmap_OwnerIsLostAndTheLogIsBroken_StopsTheApplication()
    {
        await using TestDaemon daemon = await TestDaemon.StartAsync();
        await using WebApplication app = Watching(daemon, "web", (_, _) => throw new IOException("the disk of the log is full"));
        TaskCompletionSource stopping = new(TaskCreationOptions.RunContinuationsAsynchronously);
        app.Lifetime.ApplicationStopping.Register(stopping.SetResult);
        await app.StartAsync().Within();

        await EndAsync(daemon, "web");

        await stopping.Task.Within();
        await app.StopAsync().Within();
    }

    [Fact]
    public async Task UsePortmap_OwnerOfTwoLines_IsToldInOne()
    {
        const string Owner = "web\n      crit: all is lost";
        await using TestDaemon daemon = await TestDaemon.StartAsync();
        TaskCompletionSource<string> told = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using WebApplication app = Watching(daemon, Owner, (id, line) => told.TrySetResult(id == 201 ? line : throw new InvalidOperationException($"{id} is not asked for")));
        await app.StartAsync().Within();

        await EndAsync(daemon, Owner);

        (await told.Task.Within()).Should().Contain(@"'web\u000A      crit").And.NotContain("\n");
        await app.StopAsync().Within();
    }

    [Fact]
    public void UsePortmap_OwnerOfTwoLines_IsAnEndpointOfOne()
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        string? said = null;
        builder.WebHost.UsePortmap(listen => said = listen.EndPoint.ToString(), options => options.Owner = "web\nadmin");
        using WebApplication app = builder.Build();

        _ = app.Services.GetRequiredService<IOptions<KestrelServerOptions>>().Value;   // which asks what to listen on

        said.Should().Be(@"portmap:web\u000Aadmin");
    }

    [Fact]
    public async Task UsePortmap_BeforeKestrelIsAdded_OtherEndpointsAreListenedOnAsWell()
    {
        await using TestDaemon daemon = await TestDaemon.StartAsync();
        IPEndPoint other = new(PortBlock.Loopback, PortBlock.TakeOne());
        using IHost host = new HostBuilder().ConfigureWebHost(web => web
            .UsePortmap(configure: options => (options.Owner, options.Endpoint) = ("web", daemon.Endpoint))
            .UseKestrel(kestrel => kestrel.Listen(other))
            .Configure(app => app.Run(context => context.Response.WriteAsync("here")))).Build();

        await host.StartAsync().Within();

        using HttpClient client = new();
        (await client.GetStringAsync(new Uri($"http://{other}/")).Within()).Should().Be("here");
        daemon.Registry.TryGetPort("web", out int port).Should().BeTrue();
        (await client.GetStringAsync(new Uri($"http://127.0.0.1:{port}/")).Within()).Should().Be("here");
        await host.StopAsync().Within();
    }

    [Fact]
    public async Task Listener_DisposedThoughItWasNotUnbound_IsSignedOut()
    {
        await using TestDaemon daemon = await TestDaemon.StartAsync();
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        EndPoint? endPoint = null;
        builder.WebHost.UsePortmap(listen => endPoint = listen.EndPoint, options => (options.Owner, options.Endpoint) = ("web", daemon.Endpoint));
        await using WebApplication app = builder.Build();
        _ = app.Services.GetRequiredService<IOptions<KestrelServerOptions>>().Value;   // which asks what to listen on
        IConnectionListenerFactory transport = app.Services.GetServices<IConnectionListenerFactory>().Single(it => it is IConnectionListenerFactorySelector selector && selector.CanBind(endPoint!));
        IConnectionListener listener = await transport.BindAsync(endPoint!).Within();
        daemon.Registry.TryGetPort("web", out _).Should().BeTrue();

        await listener.DisposeAsync().Within();

        daemon.Registry.TryGetPort("web", out _).Should().BeFalse("nobody serves there");
    }

    [Fact]
    public void UsePortmap_NoBuilder_Throws() =>
        FluentActions.Invoking(() => PortmapWebHostBuilderExtensions.UsePortmap(null!)).Should().Throw<ArgumentNullException>();

    private static SocketTransportOptions HandedOn(WebApplication app, int backlog)
    {
        IConnectionListenerFactory transport = app.Services.GetServices<IConnectionListenerFactory>().Single(factory => factory.GetType().Assembly == typeof(PortmapWebHostBuilderExtensions).Assembly);
        using Socket socket = new(SocketType.Stream, ProtocolType.Tcp);
        return (SocketTransportOptions)transport.GetType().GetMethods(BindingFlags.Instance | BindingFlags.NonPublic).Single(method => method.ReturnType == typeof(SocketTransportOptions)).Invoke(transport, [socket, backlog])!;
    }

    /// <summary>A server that soon sees that it has lost its owner; what this package tells of it is
    /// given to the test.</summary>
    private static WebApplication Watching(TestDaemon daemon, string owner, Action<int, string> told)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders().AddProvider(new Teller(told));
        builder.WebHost.UsePortmap(configure: options => (options.Owner, options.Endpoint, options.CheckInterval) = (owner, daemon.Endpoint, TimeSpan.FromMilliseconds(100)));
        return builder.Build();
    }

    private static async Task EndAsync(TestDaemon daemon, string owner)
    {
        await using PortSession session = daemon.Registry.OpenSession(Environment.ProcessId);
        await session.ReleaseAsync(new PortClaimRequest(owner)).AsTask().Within();
    }

    /// <summary>A log of the host's that gets the lines of Kestrel's transport (201 to 299).</summary>
    private sealed class Teller(Action<int, string> told) : ILoggerProvider, ILogger
    {
        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (eventId.Id is > 200 and < 300)
            {
                told(eventId.Id, formatter(state, exception));
            }
        }

        public void Dispose()
        {
            // It holds nothing.
        }
    }
}
