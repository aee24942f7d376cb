using System.Text;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Portmap.Etcd;
using Portmap.Hosting;
using Portmap.Rpc;

namespace Portmap.Docs.Tests;

/// <summary>Configuration files on the pages are bound and checked as a host does it.</summary>
public sealed class ConfigurationTests
{
    [Fact]
    public void JsonBlocks_OfAllPages_AreValidConfiguration()
    {
        CodeBlock[] blocks = [.. Pages.All.SelectMany(Pages.Blocks).Where(block => block.Language == "json")];

        blocks.Should().NotBeEmpty().And.AllSatisfy(Bind);
    }

    private static void Bind(CodeBlock block)
    {
        HostApplicationBuilder builder = new(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Configuration.AddJsonStream(new MemoryStream(Encoding.UTF8.GetBytes(string.Join('\n', block.Lines))));
        builder.Services.AddPortmap().BindConfiguration("Portmap", binder => binder.ErrorOnUnknownConfiguration = true);
        builder.Services.AddPortmapServer().BindConfiguration("PortmapServer", binder => binder.ErrorOnUnknownConfiguration = true);
        builder.Services.AddPortmapFleet().BindConfiguration("PortmapFleet", binder => binder.ErrorOnUnknownConfiguration = true);
        using IHost host = builder.Build();

        builder.Configuration.GetChildren().Select(section => section.Key).Should().BeSubsetOf(["Portmap", "PortmapServer", "PortmapFleet"], block.ToString());
        _ = host.Services.GetRequiredService<IOptions<PortRegistryOptions>>().Value;
        _ = host.Services.GetRequiredService<IOptions<PortmapServerOptions>>().Value;
        _ = host.Services.GetRequiredService<IOptions<PortmapFleetOptions>>().Value;
    }
}
