using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Portmap.Diagnostics;
using Portmap.Rpc;

namespace Portmap.AspNetCore;

/// <summary>Has Kestrel listen on the port that a port map gives it.</summary>
public static class PortmapWebHostBuilderExtensions
{
    /// <summary>Has Kestrel listen on its Portmap port: the one that the management daemon gave
    /// this process, or one that it picks itself, as <see cref="WorkerPort.ListenAsync"/>
    /// says.</summary>
    /// <param name="builder">The web host, as <c>builder.WebHost</c>.</param>
    /// <param name="listen">What Kestrel does on that port: <c>listen => listen.UseHttps()</c>, or
    /// <c>listen.Protocols</c>; null leaves its defaults.</param>
    /// <param name="configure">What differs from the environment that the daemon set: for example
    /// <see cref="WorkerPortOptions.Owner"/>. null takes everything from there.</param>
    /// <returns><paramref name="builder"/>.</returns>
    /// <remarks>
    /// <para><b>Without an owner nothing changes.</b> When neither PORTMAP_OWNER is set nor
    /// <paramref name="configure"/> names one, Kestrel listens where it would have listened: the
    /// same program runs under a daemon, in a debugger and in a test. But a port that the daemon
    /// prepared (<see cref="PortLease.PrepareStart"/>) and that no call uses is warned of at the
    /// start: most likely its name is another one there.</para>
    /// <para>With one, the port is the daemon's to say. URLs (ASPNETCORE_URLS, <c>app.Urls</c>) are
    /// overridden, which Kestrel warns of; endpoints of <c>Kestrel:Endpoints</c> and of
    /// <c>ConfigureKestrel</c> are listened on as well. A port that is in use is reported, and the
    /// daemon gives another one; nothing is restarted. When no daemon answers, or it refuses, the
    /// host does not start and says why.</para>
    /// <para>As the host stops, the process signs out <b>before</b> Kestrel waits for its requests:
    /// no client is sent to a server that does not accept any more. When a daemon is started again
    /// the process signs in again. When the port is another's for good
    /// (<see cref="WorkerPort.WhenLost"/>) the application is stopped.</para>
    /// <para>Several endpoints are several calls, each with a name
    /// (<see cref="WorkerPortOptions.Name"/>) or an owner of its own.</para>
    /// <para>TCP only: HTTP/1.1, HTTP/2, gRPC and HTTPS. HTTP/3 is not served there: Kestrel
    /// logs an error and goes on without it.</para>
    /// </remarks>
    /// <exception cref="ArgumentNullException"><paramref name="builder"/> is null.</exception>
    /// <exception cref="ArgumentException">The name of the port cannot stand in a
    /// variable.</exception>
    /// <exception cref="InvalidOperationException">A call before named the same owner.</exception>
    public static IWebHostBuilder UsePortmap(
        this IWebHostBuilder builder, Action<ListenOptions>? listen = null, Action<WorkerPortOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        WorkerPortOptions options = new();
        configure?.Invoke(options);
        PortmapVariables.CheckName(options.Name, nameof(options.Name));
        if (PortmapEnvironment.PreparedPorts.Count > 0)
        {
            builder.ConfigureServices(services => services
                .AddSingleton(new AskedPort(options.Name, options.Owner))
                .AddHostedService<PreparedPortsCheck>());
        }

        string? owner = options.Owner ?? PortmapEnvironment.Get(PortmapVariables.Of(PortmapVariables.Owner, options.Name));
        if (string.IsNullOrEmpty(owner))
        {
            return builder;
        }

        builder.UseSetting(WebHostDefaults.PreferHostingUrlsKey, bool.FalseString);   // else URLs would override the port
        return builder.ConfigureServices(services => Add(services, new PortmapEndPoint(owner, options), listen));
    }

    /// <summary>Has Kestrel listen, with its defaults, on one port of several: the one that
    /// <see cref="PortLease.PrepareStart"/> gave this name, "http" or "admin".</summary>
    /// <param name="builder">The web host, as <c>builder.WebHost</c>.</param>
    /// <param name="name">The name; <see cref="WorkerPortOptions.Name"/> says which are
    /// possible, and gives a port a name where more is to be said of it.</param>
    /// <returns><paramref name="builder"/>.</returns>
    /// <remarks>Nothing changes when the daemon gave no port of that name (PORTMAP_HTTP_OWNER is
    /// not set for "http"), so an endpoint may be left to the daemon to want or not. One that it
    /// gave under a name that no call says is warned of. All else is as the other form
    /// says.</remarks>
    /// <exception cref="ArgumentNullException"><paramref name="builder"/> or
    /// <paramref name="name"/> is null.</exception>
    /// <exception cref="ArgumentException">The name cannot stand in a variable.</exception>
    /// <exception cref="InvalidOperationException">A call before named the same port or
    /// owner.</exception>
    public static IWebHostBuilder UsePortmap(this IWebHostBuilder builder, string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return builder.UsePortmap(configure: options => options.Name = name);
    }

    private static void Add(IServiceCollection services, PortmapEndPoint endPoint, Action<ListenOptions>? listen)
    {
        if (services.Any(service => service.ImplementationInstance is PortmapEndPoint other && other.Owner == endPoint.Owner))
        {
            throw new InvalidOperationException(
                $"{nameof(UsePortmap)} was called for '{Printable.Of(endPoint.Owner)}' already. An owner has one port: for each further endpoint name another port (UsePortmap(\"admin\")) or another owner (configure: options => options.Owner = …).");
        }

        services.AddSingleton(endPoint);
        services.TryAddSingleton<IConnectionListenerFactory, SocketTransportFactory>();   // Kestrel adds it only when there is none; other endpoints need it
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IConnectionListenerFactory, PortmapTransport>());
        services.Configure<KestrelServerOptions>(kestrel => kestrel.Listen(endPoint, listen ?? (static _ => { })));
    }
}
