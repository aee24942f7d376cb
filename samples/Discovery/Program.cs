// A gateway that finds its services through the port map: HttpClient asks http://web/, YARP sends
// what it is asked to http://web/, and both follow wherever the owner "web" is served: on this host,
// or, with --fleet ENDPOINTS, on any host of the fleet whose map that etcd has.
using Discovery;
using Microsoft.Extensions.ServiceDiscovery;
using Yarp.ReverseProxy.Configuration;

WebApplicationBuilder builder = WebApplication.CreateBuilder(args);
builder.Logging.AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace);

if (builder.Configuration["fleet"] is { } endpoints)
{
    builder.Services.AddSingleton<IServiceEndpointProviderFactory>(_ => new FleetEndpoints(endpoints));
}
else
{
    builder.Services.AddSingleton<IServiceEndpointProviderFactory, PortMapEndpoints>();
}

builder.Services.AddServiceDiscoveryCore();
builder.Services.ConfigureHttpClientDefaults(http => http.AddServiceDiscovery());
builder.Services.AddReverseProxy()
    .LoadFromMemory(
        [new RouteConfig { RouteId = "web", ClusterId = "web", Match = new RouteMatch { Path = "/proxy/{**rest}" }, Transforms = [new Dictionary<string, string> { ["PathRemovePrefix"] = "/proxy" }] }],
        [new ClusterConfig { ClusterId = "web", Destinations = new Dictionary<string, DestinationConfig> { ["web"] = new() { Address = "http://web/" } } }])
    .AddServiceDiscoveryDestinationResolver();

WebApplication app = builder.Build();
app.MapGet("/ask/{service}", (string service, IHttpClientFactory clients) => clients.CreateClient().GetStringAsync(new Uri($"http://{service}/")));
app.MapReverseProxy();
app.Lifetime.ApplicationStarted.Register(() => Console.WriteLine("ready"));
await app.RunAsync();
