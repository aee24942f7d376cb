using ManagementDaemon.PortServer;
using ManagementDaemon.Workers;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;
using Portmap;
using Portmap.Hosting;
using Portmap.Rpc;

namespace ManagementDaemon;

/// <summary>Puts the daemon together: this is all a host has to do to embed the registry and its
/// wire.</summary>
internal static class DaemonHost
{
    /// <summary>How long workers have to end with the daemon: less than TimeoutStopSec= of the unit
    /// in samples/systemd.</summary>
    private static readonly TimeSpan s_workersEnd = TimeSpan.FromSeconds(50);

    /// <summary>Starts the daemon, runs something beside it, and stops it again, in order also when
    /// that something throws.</summary>
    public static async Task RunAsync(DaemonSettings settings, Func<IHost, CancellationToken, Task> beside, CancellationToken cancellationToken)
    {
        IHost host = Build(settings);
        await using IAsyncDisposable disposal = (IAsyncDisposable)host; // the server ends asynchronously, and the registry waits for its last facts to be on disk
        await host.StartAsync(cancellationToken);
        try
        {
            await beside(host, cancellationToken);
        }
        finally
        {
            await host.StopAsync(CancellationToken.None);
        }
    }

    private static IHost Build(DaemonSettings settings)
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { ApplicationName = CommandLine.Name });
        builder.Configuration.AddEnvironmentVariables();
        builder.Services.AddSystemd();   // READY and STOPPING, where systemd started it
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = s_workersEnd);

        // Standard output belongs to the ready line and to the demo's tables.
        builder.Logging.AddSimpleConsole(console => console.SingleLine = true);
        builder.Logging.SetMinimumLevel(settings.Quiet ? LogLevel.Error : LogLevel.Information);
        builder.Logging.AddFilter("Microsoft.Extensions.Hosting", LogLevel.Critical); // a failed start is reported by the verb, in one line
        builder.Services.Configure<ConsoleLoggerOptions>(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        builder.Services.Configure<ConsoleLifetimeOptions>(lifetime => lifetime.SuppressStatusMessages = true);

        // Portmap__LeaseTimeout=00:00:05, PortmapServer__SocketMode=0660 and the like come from the
        // environment; the command line has the last word. A key that no option has is an error: a
        // misspelt one would leave its default in force without a word.
        builder.Services.AddPortmap().BindConfiguration("Portmap", binder => binder.ErrorOnUnknownConfiguration = true).Configure(options =>
        {
            options.Ports = settings.Ports ?? options.Ports;
            options.Strategy = settings.Strategy ?? options.Strategy;
            options.StateFolder = settings.StateFolder ?? options.StateFolder;
            options.Durability = settings.Durability ?? options.Durability;
        });
        builder.Services.AddPortmapServer().BindConfiguration("PortmapServer", binder => binder.ErrorOnUnknownConfiguration = true).Configure(options => Apply(settings, options));
        builder.Services.AddSingleton<Supervisor>();
        if (settings.Bricks > 0)
        {
            builder.Services.AddSingleton(settings).AddSingleton<Keeper>().AddHostedService<KeptBricks>();
        }

        if (settings.PortServer is { } address)
        {
            builder.Services.AddSingleton(address);
            builder.Services.AddHostedService<PickServer>();
        }

        if (settings.Metrics is { } metrics)
        {
            builder.Services.AddHostedService(_ => new MetricsEndpoint(metrics));
        }

        return builder.Build();
    }

    private static void Apply(DaemonSettings settings, PortmapServerOptions options)
    {
        if (settings.Endpoints.Count > 0)
        {
            options.Endpoints.Clear();
        }

        foreach (PortmapEndpoint endpoint in settings.Endpoints)
        {
            options.Endpoints.Add(endpoint.ToString());
        }

        if (settings.Volfiles is not null)
        {
            options.Programs.Add(new GetSpecProgram(settings.Volfiles));
        }
    }
}
