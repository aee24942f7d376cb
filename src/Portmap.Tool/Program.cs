using Portmap.Tool;

return await CommandLine.RunAsync(args);
