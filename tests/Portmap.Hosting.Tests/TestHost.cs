using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;

namespace Portmap.Hosting.Tests;

/// <summary>Hosts as a daemon builds them, with nothing in them but what a test puts there, and a
/// socket in the test's own folder.</summary>
internal static class TestHost
{
    public static string Socket(this TempFolder folder, string name = "portmap.sock") => $"unix:{folder[name]}";

    /// <summary>A host with a registry in memory that is served at the folder's socket.</summary>
    public static IHost Served(TempFolder folder, Action<IServiceCollection>? more = null) => Build(services =>
    {
        services.AddPortmap(options => options.Ports = PortBlock.Take(10).ToString());
        services.AddPortmapServer(options => options.Endpoints.Add(folder.Socket()));
        more?.Invoke(services);
    });

    public static IHost Build(Action<IServiceCollection> services, params (string Key, string Value)[] configuration)
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Configuration.AddInMemoryCollection(configuration.Select(pair => KeyValuePair.Create(pair.Key, (string?)pair.Value)));
        builder.Logging.SetMinimumLevel(LogLevel.Trace);
        services(builder.Services);
        return builder.Build();
    }

    public static async Task PingAsync(string endpoint)
    {
        await using PortmapClient client = await PortmapClient.ConnectAsync(PortmapEndpoint.Parse(endpoint)).Within();
        await client.PingAsync().Within();
    }
}
